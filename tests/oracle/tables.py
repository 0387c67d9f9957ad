# SPDX-License-Identifier: Apache-2.0
"""The tables of random scripts."""

import copy

from harness.tables import Column
from harness.types import octets, text

from .columns import room, small
from .truth import quoted
from .world import Item, Made, id_column

ODD_NAMES = ("has space", "tick`ed", "select", "größe", "表", "a.b", "Upper", "x;y", 'quo"te', "it's",
             "100%", "--", "/*", "key")


def make_all(g):
    for n in range(g.random.randint(3, 5)):
        typed(g, "typed%d" % n)
    if g.has("keys"):
        for make in g.random.sample((keyless, composite, prefix, folded, binary_key, unique_only), 4):
            make(g)
    if g.has("wide"):
        wide(g)
    if g.has("partitions"):
        partitioned(g)
    if g.has("engines"):
        engine = g.random.choice(("MyISAM", "Aria")) if g.mariadb else "MyISAM"
        typed(g, "other_engine", engine=engine)
    if g.has("generated"):
        generated(g)
    if g.has("versioned") and not g.careful:
        versioned(g)
    if g.has("sequences"):
        sequence(g)
    if g.has("foreign_keys"):
        foreign_keys(g)
    if g.has("triggers"):
        triggers(g)


def name(g, plain):
    if g.has("names") and g.chance(0.3):
        return "%s %s" % (g.random.choice(ODD_NAMES), plain)
    return plain


def add(g, made):
    g.add(made.create())
    g.tables.append(made)
    return made


def odd(g, number):
    if g.has("names") and g.chance(0.15):
        return "%s%d" % (g.random.choice(ODD_NAMES), number)
    return "c%d" % number


def some_columns(g, count):
    """Columns of any kinds, as many as there is room for in a row."""
    items, left = [], 20000
    for number in range(count):
        column = g.random.choice(g.random.choice(g.pools))
        left -= room(column)
        if left < 0:
            break
        items.append(new_item(g, odd(g, number), column))
    return items


def new_item(g, called, column):
    own = copy.copy(column)
    own.name = called
    own.nullable = False  # here the item says so
    return Item(called, own, nullable=g.chance(0.75))


def typed(g, called, engine="InnoDB"):
    return add(g, Made(g.db if g.chance(0.85) else g.other, name(g, called),
                       [id_column()] + some_columns(g, g.random.randint(1, 12)), engine=engine))


def keyless(g):
    made = Made(g.db, name(g, "keyless"), [id_column()] + some_columns(g, 4), key=None)
    made.items[0].in_key = False
    return add(g, made)


def key_item(called, sql, kind, edges, draw=None):
    return Item(called, Column(called, sql, kind, edges, draw, nullable=False), nullable=False,
                in_key=True)


def composite(g):
    numbers = [str(2**64 - 1 - n) for n in range(5)]
    words = [text(word) for word in ("", "a", "b:c", "ü", "end ")]
    times = ["'2024-01-01 00:00:00.%03d'" % n for n in range(4)]
    items = [
        key_item("k1", "bigint unsigned", "int", numbers), *some_columns(g, 2), id_column(),
        key_item("k2", "varchar(30)", "text", words), key_item("k3", "datetime(3)", "text", times)]
    return add(g, Made(g.db, name(g, "composite"), items, key="k3, k1, k2, id"))


def prefix(g):
    words = [text("%02d schlüssel 漢字" % n + "tail" * n) for n in range(20)]
    items = [id_column(), *some_columns(g, 2), key_item("t", "text", "text", words),
             key_item("b", "blob", "binary", [octets(bytes([n] * 40)) for n in range(9)])]
    return add(g, Made(g.db, name(g, "prefix"), items, key="t(20), b(16)"))


def folded(g):
    words = [text(word % n) for n in range(15) for word in ("Key%d", "KEY%d", "kéy%d")]
    sql = "varchar(30) CHARACTER SET utf8 COLLATE utf8_general_ci"
    return add(g, Made(g.db, name(g, "folded"), [
        key_item("k", sql, "text", words), id_column(), *some_columns(g, 2)], key="k"))


def binary_key(g):
    values = [octets(bytes([n, 0, 1, 0])) for n in range(12)] + [octets(b"\1"), octets(b"")]
    return add(g, Made(g.db, name(g, "binary_key"), [
        id_column(), key_item("k", "binary(8)", "binary", values), *some_columns(g, 2)], key="k"))


def unique_only(g):
    made = Made(g.db, name(g, "unique_only"), [id_column(), *some_columns(g, 3)], key=None)
    made.items[0].in_key = False
    made.items[0].column = Column("id", "int", "int")
    made.items[0].nullable = g.chance(0.5)
    add(g, made)
    g.add("ALTER TABLE %s ADD UNIQUE KEY (id)" % made)
    return made


def wide(g):
    pool = small(g.server)
    count = g.random.choice((7, 8, 9, 63, 64, 65, 130))
    return add(g, Made(g.db, name(g, "wide"), [id_column()] + [
        new_item(g, "w%d" % n, g.random.choice(pool)) for n in range(count - 1)]))


def partitioned(g):
    made = Made(g.db, name(g, "parts"), [id_column()] + some_columns(g, 3))
    made.suffix, made.partitions = g.random.choice((
        ("PARTITION BY HASH (id) PARTITIONS 4", None), ("PARTITION BY KEY (id) PARTITIONS 3", None),
        ("PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (20), PARTITION p1 VALUES LESS THAN"
         " (40), PARTITION p2 VALUES LESS THAN MAXVALUE)", ["p0", "p1"])))
    made.items = [item for item in made.items if item.column.kind != "binary" or
                  "geom" not in item.column.sql and item.column.sql != "point"]
    return add(g, made)


def generated(g):
    a = Item("a", Column("a", "int", "int", ("0", "-1", "7", "1000000")))
    b = Item("b", Column("b", "varchar(30)", "text", [text("text"), text("ünï"), text("")]))
    items = [id_column(), a, b] + [
        Item(called, Column(called, sql, "int"), made=True) for called, sql in (
            ("v1", "bigint GENERATED ALWAYS AS (a * 2) VIRTUAL"),
            ("s1", "varchar(60) GENERATED ALWAYS AS (concat(b, '-', a)) STORED"),
            ("v2", "char(5) GENERATED ALWAYS AS (left(b, 5)) VIRTUAL"),
            ("v3", "varbinary(9) GENERATED ALWAYS AS (cast(b as binary(4))) VIRTUAL"))]
    for item in (a, b):
        item.in_key = True  # the others are made of them: they stay
    hidden = Item("hidden", Column("hidden", "int DEFAULT 5 INVISIBLE", "int", ("1", "2")))
    items += [hidden] + some_columns(g, 2)
    g.random.shuffle(items)
    made = add(g, Made(g.db, name(g, "made"), items))
    if g.chance(0.5):
        g.add("CREATE INDEX on_v2 ON %s (v2)" % made)
    if g.server == "mysql" and g.chance(0.5):
        g.add("CREATE INDEX on_it ON %s ((a + 1))" % made)
    return made


def versioned(g):
    """Not where columns are looked up: information_schema lacks the two that are hidden, so that the
    rows are in doubt."""
    made = Made(g.db, name(g, "versioned"), [id_column()] + some_columns(g, 3),
                suffix="WITH SYSTEM VERSIONING")
    made.pinned = True
    if made.looked_up:
        made.items = made.items[:1]
    return add(g, made)


def sequence(g):
    g.add("CREATE SEQUENCE %s.numbers START WITH 5 INCREMENT BY 2 CACHE 3" % quoted(g.db))
    made = Made(g.db, "numbered", [id_column(), Item("n", Column("n", "bigint", "int", ("0", "-1")))])
    made.items[1].default = "nextval(%s.numbers)" % quoted(g.db)
    return add(g, made)


def foreign_keys(g):
    """Only MySQL logs what cascades."""
    action = "CASCADE" if g.server == "mysql" else "RESTRICT"
    parent = Made(g.db, "parent", [id_column()] + some_columns(g, 2))
    child = Made(g.db, "child", [id_column(), Item("p", Column(
        "p", "int", "int", map(str, range(1, 30))))] + some_columns(g, 2))
    child.items[1].in_key = True
    parent.pinned = child.pinned = True
    add(g, parent)
    add(g, child)
    g.add("ALTER TABLE %s ADD CONSTRAINT FOREIGN KEY (p) REFERENCES %s (id) ON DELETE %s ON UPDATE %s"
          % (child, parent, action, g.random.choice((action, action if action == "RESTRICT"
                                                     else "SET NULL"))))


def triggers(g):
    watched = g.random.choice([table for table in g.tables
                               if table.db == g.db and table.engine == "InnoDB"])
    audit = Made(g.db, "audit", [
        id_column(), Item("what", Column("what", "varchar(10)", "text", [text("by hand")])),
        Item("n", Column("n", "int", "int", ("1", "2")))])
    audit.items[0].column.sql = "int AUTO_INCREMENT"
    watched.pinned = audit.pinned = True
    add(g, audit)
    for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        g.add("CREATE TRIGGER on_%s AFTER %s ON %s FOR EACH ROW INSERT INTO audit (what, n) VALUES"
              " ('%s', %s.id)" % (event.lower(), event, watched, event.lower(), row))
    other = g.table()
    names = ", ".join(quoted(item.name) for item in audit.items[1:])
    g.add("CREATE PROCEDURE both_tables (n int) BEGIN START TRANSACTION; INSERT INTO audit (%s) VALUES"
          " ('proc', n); DELETE FROM %s WHERE id = n; COMMIT; END" % (names, other))
    g.procedure = "CALL both_tables(%d)"
