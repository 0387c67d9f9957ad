# SPDX-License-Identifier: Apache-2.0
"""Changes of rows in random scripts."""

from .truth import quoted

MOST = 60  # ids are below, so that statements meet


def step(g):
    roll = g.random.random()
    if roll < 0.04 and g.has("bulk"):
        bulk(g)
    elif roll < 0.05 and g.has("big"):
        big(g)
    elif roll < 0.08 and getattr(g, "procedure", None) and not g.talk.open and not g.talk.xid:
        g.add(g.procedure % identity(g))
        g.talk.touched.update(g.tables)
    else:
        change(g)


def change(g):
    table = g.table()
    g.use(table)
    documents = [item for item in table.settable if getattr(item.column, "document", False)]
    if documents and g.chance(0.5):
        g.add(change_document(g, table, g.random.choice(documents)))
        return
    g.add(g.random.choices(
        (insert, replace, upsert, update, update_some, move, delete, empty),
        (36, 10, 10, 22, 10, 5, 8, 0.4))[0](g, table))


def identity(g):
    return g.random.randint(1, MOST)


def values(g, table, items):
    return "(%s)" % ", ".join(
        str(identity(g)) if item.name == "id" else item.literal(g.random) for item in items)


def insert(g, table, verb=None):
    items = [item for item in table.items if not item.made]
    if g.chance(0.3):  # what is left out gets its default
        items = [item for item in items if item.name == "id" or item.in_key or g.chance(0.6)]
    verb = verb or g.random.choice(("INSERT", "INSERT", "INSERT", "INSERT IGNORE"))
    return "%s INTO %s (%s) VALUES %s" % (
        verb, table, ", ".join(quoted(item.name) for item in items),
        ", ".join(values(g, table, items) for _ in range(g.random.choice((1, 1, 1, 2, 5)))))


def replace_verb(g):
    """MariaDB logs a REPLACE that it carries out as an update without the columns that so get their
    defaults, where images are not full: nobody can know of these from the log."""
    return "INSERT IGNORE" if g.mariadb and g.has("images") else "REPLACE"


def replace(g, table):
    return insert(g, table, replace_verb(g))


def upsert(g, table):
    return "%s ON DUPLICATE KEY UPDATE %s" % (insert(g, table, "INSERT"), assignment(g, table))


def assignment(g, table):
    items = table.settable
    if not items:
        return "id = id"
    chosen = g.random.sample(items, g.random.randint(1, min(len(items), 4)))
    return ", ".join("%s = %s" % (quoted(item.name), item.literal(g.random)) for item in chosen)


def where(g):
    number = identity(g)
    return g.random.choice((
        "id = %d" % number, "id = %d" % number, "id IN (%d, %d, %d)" % (number, number + 1, identity(g)),
        "id BETWEEN %d AND %d" % (number, number + 6), "id %% 7 = %d" % (number % 7)))


def limit(g):
    return " LIMIT %d" % g.random.randint(1, 3) if g.chance(0.15) else ""


def update(g, table):
    return "UPDATE %s SET %s WHERE %s%s" % (table, assignment(g, table), where(g), limit(g))


def update_some(g, table):
    other = g.table()
    if g.chance(0.7) or other is table:
        return "UPDATE IGNORE %s SET %s WHERE id > %d" % (table, assignment(g, table), identity(g))
    g.use(other)
    items = table.settable
    if not items:
        return update(g, table)
    item = g.random.choice(items)
    return "UPDATE %s x JOIN %s y ON x.id = y.id SET x.%s = %s, y.id = y.id" % (
        table, other, quoted(item.name), item.literal(g.random))


def move(g, table):
    """Rows get other ids."""
    number = identity(g)
    return g.random.choice((
        "UPDATE IGNORE %s SET id = %d, %s WHERE id = %d" % (
            table, identity(g), assignment(g, table), number),
        "UPDATE IGNORE %s SET id = id + %d WHERE id BETWEEN %d AND %d ORDER BY id DESC" % (
            table, g.random.randint(1, 9), number, number + 5),
        "UPDATE IGNORE %s SET id = %d - id WHERE id < %d" % (table, MOST, number)))


def delete(g, table):
    other = g.table()
    if g.chance(0.1) and other is not table:
        g.use(other)
        return "DELETE x FROM %s x JOIN %s y ON x.id = y.id + 1 WHERE x.id > %d" % (
            table, other, identity(g))
    return "DELETE FROM %s WHERE %s%s" % (table, where(g), limit(g))


def empty(g, table):
    return "DELETE FROM %s" % table


CHANGES = (
    "JSON_SET({c}, '$.a', {n})", "JSON_SET({c}, '$.s', '{s}')", "JSON_REPLACE({c}, '$.a', {n})",
    "JSON_SET({c}, '$.list[0]', {n}, '$.list[7]', '{s}')", "JSON_REPLACE({c}, '$.deep.er.x', '{s}')",
    "JSON_REPLACE({c}, '$.deep.er.list[1]', {n}, '$.s', '{s}')", "JSON_REMOVE({c}, '$.s')",
    "JSON_REMOVE({c}, '$.list[0]', '$.deep.gone')", "JSON_SET(JSON_REMOVE({c}, '$.a'), '$.b', {n})",
    "JSON_SET({c}, '$.deep.er.new', JSON_ARRAY(1, JSON_OBJECT('z', NULL)))",
    "JSON_SET({c}, '$.when', CAST('2024-02-29 01:02:03.456789' AS DATETIME(6)))",
    "JSON_SET({c}, '$.amount', CAST('{n}.25' AS DECIMAL(20,4)))")


def change_document(g, table, item):
    column = quoted(item.name)
    text = g.random.choice(CHANGES).format(
        c=column, n=g.random.randint(-99999, 99999), s="y" * g.random.randint(0, 60))
    return "UPDATE %s SET %s = %s WHERE %s" % (table, column, text, where(g))


def bulk(g):
    """Many rows at once, in events of many rows and in many events."""
    table, other = g.table(), g.table()
    g.use(table)
    g.use(other)
    names = [item.name for item in table.settable]
    column = ", ".join(map(quoted, names))
    kind = g.random.choice(("self", "file", "temporary"))
    if kind == "self" or not names:
        g.add("%s INTO %s (id%s) SELECT id + %d%s FROM %s" % (
            replace_verb(g), table, "".join(", " + quoted(n) for n in names), g.random.randint(1, 200),
            "".join(", " + quoted(n) for n in names), table))
    elif kind == "file":
        path = "./load_%d_%d" % (g.base, g.number())
        g.add("SELECT id + 300, %s INTO OUTFILE '%s' CHARACTER SET utf8mb4 FROM %s" % (
            column, path, table))
        g.add("LOAD DATA INFILE '%s' %s INTO TABLE %s CHARACTER SET utf8mb4 (id, %s)" % (
            path, g.random.choice((replace_verb(g).split()[-1], "IGNORE")), table, column))
    elif not g.talk.xid:
        passing = "passing%d" % g.number()
        g.add("CREATE TEMPORARY TABLE %s (id int, n int)" % passing)
        g.add("INSERT INTO %s VALUES (400, 1), (401, 2)" % passing)
        # A key's columns are named: in an image that is not full they are missing else.
        keys = [item for item in table.settable if item.in_key]
        g.add("INSERT IGNORE INTO %s (id%s) SELECT id%s FROM %s" % (
            table, "".join(", " + quoted(item.name) for item in keys),
            "".join(", " + item.literal(g.random) for item in keys), passing))
        g.add("DROP TEMPORARY TABLE " + passing)


def big(g):
    table = "%s.big" % quoted(g.db)
    g.add("CREATE TABLE IF NOT EXISTS %s (id int PRIMARY KEY, v longblob, tail int)%s" % (
        table, " ENGINE=MyISAM" if g.old else ""))
    g.talk.open, g.talk.savepoints = False, []
    size = (1 << 24) + g.random.choice((-55, -50, -49, -48, -47, -46, 1000, 1 << 22))
    number = g.number()
    g.add("INSERT INTO %s VALUES (%d, repeat(x'%s', %d), 1)" % (
        table, number, g.random.randbytes(4).hex(), size // 4))
    g.add("UPDATE %s SET tail = 2 WHERE id = %d" % (table, number))
    g.add("DELETE FROM %s WHERE id = %d" % (table, number))
