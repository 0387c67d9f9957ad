# SPDX-License-Identifier: Apache-2.0
"""DDL of random scripts."""

import copy

from harness.tables import Column
from harness.literals import octets, text

from . import dml, tables, transactions
from .columns import GEOMETRY
from .truth import quoted
from .world import Item


def step(g):
    if g.talk.xid:
        return
    talk = g.talk
    table = g.table(free=True)
    if table is None:
        return
    # Where columns are looked up, they have to be there still.
    g.slowly = g.careful or g.mariadb and any(one.looked_up for one in g.tables)
    if g.slowly:
        g.barrier()
    elif g.chance(0.6):
        g.quiet()
    g.turn_to(talk)
    kind = g.random.choices(
        (add_column, drop_column, modify, rename_column, reorder, index, key, whole, rename, swap,
         truncate, make_anew, like, partition, aside),
        (14, 8, 12, 8, 5, 6, 4, 5, 5, 3, 6, 4, 5, 4, 5))[0]
    kind(g, table)
    transactions.closed(talk)  # it ended what was under way
    g.slowly = False


def alter(g, table, *parts):
    style = g.random.random()
    text = "ALTER TABLE %s %s" % (table, ", ".join(parts))
    if style < 0.1:
        text = text.replace("ALTER TABLE", "alter /* it's a ; comment */ table\n", 1) + " -- end\n"
    elif style < 0.2 and table.db == g.db:
        text = text.replace(str(table), quoted(table.name), 1)
    g.add(text)


def add_column(g, table):
    column = g.random.choice(g.random.choice(g.pools))
    item = tables.new_item(g, "x%d" % g.number(), column)
    place = g.random.choice(("", " FIRST", " AFTER id"))
    at = {"": len(table.items), " FIRST": 0}.get(
        place, [one.name for one in table.items].index("id") + 1)
    simple = item.column.kind in ("int", "decimal", "bit")
    if simple and g.chance(0.6):
        item.default = "'%s'" % g.random.choice(("0", "1"))
    alter(g, table, "ADD COLUMN %s%s" % (item.definition(), place))
    table.items = table.items[:at] + [item] + table.items[at:]


def drop_column(g, table):
    if len(table.loose) < 2:
        return add_column(g, table)
    item = g.random.choice(table.loose)
    alter(g, table, "DROP COLUMN %s" % quoted(item.name))
    table.items = [one for one in table.items if one is not item]


WIDER = {
    "int": ("bigint", "int", ("0", "-1", "9223372036854775807")),
    "decimal": ("decimal(50,10)", "decimal", ("0", "-1.5", "123456789.0123456789")),
    "float": ("double", "double", ("0", "0.1")),
    "bit": ("bit(64)", "bit", ("0", "18446744073709551615")),
    "double": ("double", "double", ("0", "1e300")),
    "binary": ("longblob", "binary", (octets(b"\0\xff"), octets(b""))),
}


def modify(g, table):
    items = [item for item in table.loose if not GEOMETRY.match(item.column.sql)]
    if not items:
        return add_column(g, table)
    item = g.random.choice(items)
    new = copy.copy(item)
    if g.chance(0.5):
        new.nullable, new.default = not item.nullable, None
    else:
        sql, kind, edges = WIDER.get(item.column.kind, (
            g.random.choice(("varchar(400) character set latin1", "varchar(300)", "text")), "text",
            (text("new"), text("é"), text(""))))
        new.column = Column(item.name, sql, kind, edges, nullable=False)
        new.default = None
    alter(g, table, "MODIFY COLUMN %s" % new.definition())
    table.items = [new if one is item else one for one in table.items]


def rename_column(g, table):
    if not table.loose:
        return add_column(g, table)
    item = g.random.choice(table.loose)
    new = copy.copy(item)
    new.name = "r%d" % g.number()
    if g.old or g.chance(0.3):
        alter(g, table, "CHANGE %s %s" % (quoted(item.name), new.definition()))
    else:
        alter(g, table, "RENAME COLUMN %s TO %s" % (quoted(item.name), quoted(new.name)))
    table.items = [new if one is item else one for one in table.items]


def reorder(g, table):
    """Columns change places: the log's rows look alike, and mean something else."""
    if not table.loose:
        return add_column(g, table)
    item = g.random.choice(table.loose)
    alter(g, table, "MODIFY COLUMN %s FIRST" % item.definition())
    table.items = [item] + [one for one in table.items if one is not item]


def index(g, table):
    name = "i%d" % g.number()
    on = g.random.choice(table.items)
    short = on.column.kind in ("int", "decimal", "float", "double", "bit")
    where = quoted(on.name) if short else "%s(7)" % quoted(on.name)
    g.add("CREATE INDEX %s ON %s (%s)" % (name, table, where))
    if g.chance(0.6):
        g.add("DROP INDEX %s ON %s" % (name, table))


def key(g, table):
    """The primary key goes, or comes."""
    if table.key == "`id`" and not table.suffix and "AUTO" not in table.items[0].column.sql:
        alter(g, table, "DROP PRIMARY KEY")
        table.key = None
    elif table.key is None:
        g.add("DELETE FROM %s" % table)
        alter(g, table, "ADD PRIMARY KEY (id)")
        table.key = "`id`"
    else:
        whole(g, table)


CONVERT = "CONVERT TO CHARACTER SET utf8mb4"


def whole(g, table):
    how = g.random.choice((
        "FORCE", CONVERT, "COMMENT 'RENAME TO nothing'",
        "ENGINE=InnoDB" if table.engine == "InnoDB" else "FORCE", "ROW_FORMAT=DYNAMIC"))
    if how == CONVERT:
        # Servers keep the bytes of some ENUM and SET labels, and call them utf8mb4.
        g.directive("expect doubt", "a label that (does not fit|the source may show wrongly)")
    alter(g, table, how)


def rename(g, table):
    db, name = g.random.choice((g.db, g.other)), tables.name(g, "t%d" % g.number())
    to = table.copy(db, name)
    if g.chance(0.5):
        g.add("RENAME TABLE %s TO %s" % (table, to))
    else:
        g.add("ALTER TABLE %s RENAME TO %s" % (table, to))
    table.db, table.name = db, name


def swap(g, table):
    other = g.table(free=True)
    if other is table:
        return rename(g, table)
    between = table.copy(g.db, "between")
    g.add("RENAME TABLE %s TO %s, %s TO %s, %s TO %s" % (table, between, other, table, between, other))
    table.db, table.name, other.db, other.name = other.db, other.name, table.db, table.name


def truncate(g, table):
    g.add(g.random.choice(("TRUNCATE TABLE %s", "TRUNCATE %s", "truncate /* all */ table %s")) % table)


def make_anew(g, table):
    """Dropped, and made with other columns."""
    new = table.copy(table.db, table.name)
    kept = [item for item in table.items if item not in table.loose]
    new.items = kept + [tables.new_item(g, "y%d" % g.number(), item.column)
                        for item in tables.some_columns(g, 4)]
    if g.mariadb and g.chance(0.5):
        g.add(new.create("CREATE OR REPLACE TABLE"))
    else:
        g.add("DROP TABLE %s%s" % (g.random.choice(("", "IF EXISTS ")), table))
        g.add(new.create(g.random.choice(("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))))
    table.items = new.items


def like(g, table):
    """A copy of a table, which stays, replaces the table, or goes again."""
    copied = table.copy(g.db, "copy%d" % g.number())
    names = ", ".join(quoted(item.name) for item in table.items if not item.made)
    if g.chance(0.4) and not g.old:
        g.add("CREATE TABLE %s AS SELECT %s FROM %s" % (copied, names, table))
        g.add("UPDATE %s SET id = id + 1" % copied)
        g.add("DROP TABLE %s" % copied)
        return
    g.add("CREATE TABLE %s LIKE %s" % (copied, table))
    g.add("INSERT INTO %s (%s) SELECT %s FROM %s" % (copied, names, names, table))
    roll = g.random.random()
    if roll < 0.4 and len(g.tables) < 18:
        g.tables.append(copied)
    elif roll < 0.7:
        old = table.copy(g.db, "old%d" % g.number())
        g.add("RENAME TABLE %s TO %s, %s TO %s" % (table, old, copied, table))
        g.add("DROP TABLE %s" % old)
    else:
        g.add("DROP TABLE %s, %s.`never was`" % (copied, quoted(g.db)) if g.chance(0.2)
              else "DROP TABLE %s" % copied)


def partition(g, table):
    with_parts = [one for one in g.tables if one.partitions]
    if not with_parts:
        return whole(g, table)
    one = g.random.choice(with_parts)
    if one.pinned:
        return whole(g, table)
    alter(g, one, "TRUNCATE PARTITION " + g.random.choice(one.partitions))


def aside(g, table):
    """What changes no row."""
    number = g.number()
    name = "%s.a_view%d" % (quoted(g.db), number)
    db = quoted("%s_c%d" % (g.db, number))
    for text in g.random.choice((
        ["CREATE VIEW %s AS SELECT id FROM %s" % (name, table), "DROP VIEW " + name],
        ["ANALYZE TABLE %s" % table],
        ["CREATE DATABASE " + db, "CREATE TABLE %s.gone (id int PRIMARY KEY)" % db,
         "INSERT INTO %s.gone VALUES (1), (2)" % db, "DROP DATABASE " + db],
        ["DROP TABLE IF EXISTS %s.never_was" % quoted(g.db)],
        ["DELETE FROM %s" % table, dml.insert(g, table)],
    )):
        g.add(text)
