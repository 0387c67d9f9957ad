# SPDX-License-Identifier: Apache-2.0
"""What the generator remembers of the tables and sessions that its script makes."""

from harness.tables import Column

from .columns import literal
from .truth import quoted


class Item:
    """A column in a table. `made`: the server makes its value."""

    def __init__(self, name, column, nullable=True, made=False, in_key=False):
        self.name, self.column, self.nullable = name, column, nullable
        self.made, self.in_key = made, in_key
        self.default = None

    def definition(self):
        return "%s %s%s%s" % (
            quoted(self.name), self.column.sql,
            "" if self.made else " NULL" if self.nullable else " NOT NULL",
            " DEFAULT " + self.default if self.default else "")

    def literal(self, random):
        if self.nullable and random.random() < 0.08:
            return "NULL"
        while True:
            value = literal(self.column, random)
            if value != "NULL":
                return value


class Made:
    """A table. `key`: the definition of its primary key, or None. `pinned`: triggers and foreign keys
    hang on it, so that it can't be renamed or dropped. Every table has a column `id` of small numbers,
    by which rows are picked."""

    def __init__(self, db, name, items, key="`id`", engine="InnoDB", suffix=""):
        self.db, self.name, self.items, self.key = db, name, items, key
        self.engine, self.suffix = engine, suffix
        self.pinned = False
        self.partitions = None
        self.unique = 0

    def __str__(self):
        return "%s.%s" % (quoted(self.db), quoted(self.name))

    def create(self, verb="CREATE TABLE"):
        parts = [item.definition() for item in self.items]
        if self.key:
            parts.append("PRIMARY KEY (%s)" % self.key)
        return "%s %s (%s) ENGINE=%s%s" % (
            verb, self, ", ".join(parts), self.engine, " " + self.suffix if self.suffix else "")

    @property
    def looked_up(self):
        """MariaDB's log does not tell its BINARY from INET and UUID columns."""
        return any(item.column.sql.startswith(("binary(4)", "binary(16)", "inet", "uuid"))
                   for item in self.items)

    @property
    def settable(self):
        return [item for item in self.items if not item.made and item.name != "id"]

    @property
    def loose(self):
        """What may be altered and dropped."""
        return [item for item in self.settable if not item.in_key]

    def copy(self, db, name):
        made = Made(db, name, list(self.items), self.key, self.engine, self.suffix)
        made.partitions = self.partitions
        return made


def id_column():
    return Item("id", Column("id", "int", "int"), nullable=False, in_key=True)


class Branch:
    """An XA transaction that is prepared."""

    def __init__(self, xid, session, tables):
        self.xid, self.session, self.tables = xid, session, tables


class Talk:
    """A session: where it is in a transaction. `xid`: that of an XA transaction under way; `branch`: it
    has prepared one, and can do nothing else before that one's end."""

    def __init__(self, name):
        self.name = name
        self.fresh = True  # has to be set up
        self.open = False
        self.savepoints = []
        self.xid = None
        self.branch = None
        self.touched = set()
