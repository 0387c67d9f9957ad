# SPDX-License-Identifier: Apache-2.0
"""What the server says: its tables, and their rows by SELECT in the stream's form."""

import struct

from harness.tables import Column, Number

from .fold import MARK

SYSTEM = ("mysql", "sys", "information_schema", "performance_schema", MARK[0])
KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), "int"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"),
                    "binary"),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
                     "multipolygon", "geometrycollection", "geomcollection"), "binary"),
    "decimal": "decimal", "float": "float", "double": "double", "bit": "bit", "json": "json",
}


def quoted(name):
    return "`%s`" % name.replace("`", "``")


def literal(text):
    return "_utf8mb4 x'%s'" % text.encode().hex()


class Field(Column):
    """A column as it is on the server."""

    virtual = False

    def expression(self):
        name = quoted(self.name)
        if self.kind in ("float", "double"):
            return name + " * 1e0"  # else a FLOAT has six digits, a DOUBLE(M,D) has D
        if self.kind == "bit":
            return name + " + 0"
        if self.kind == "json":
            return "CAST(%s AS CHAR)" % name
        if self.kind == "binary":
            return "HEX(%s)" % name
        return name

    def expected(self, value):
        if self.kind == "binary" and value is not None:
            value = bytes.fromhex(value)
        return super().expected(value)

    def folded(self, value):
        """What expected() made, as the stream writes it: to go on folding from."""
        if self.kind not in ("float", "double") or value is None:
            return value
        if self.kind == "double":
            return Number(repr(value))
        for digits in range(1, 10):
            short = "%.*g" % (digits, value)
            if struct.pack("f", float(short)) == struct.pack("f", value):
                break
        return Number(short)


class Truth:
    """One table: its fields, and `rows`: expected values. `keys`: what a row may be known by, names of
    columns: those of its primary key; else of a unique one without NULLs, or none."""

    def __init__(self, name, fields, indexes, versioned=False):
        self.name, self.fields, self.versioned = name, fields, versioned
        self.primary = "PRIMARY" in indexes
        self.keys = [indexes["PRIMARY"]] if self.primary else [frozenset(), *indexes.values()]
        self.names = [field.name for field in fields]
        self.virtual = frozenset(f.name for f in fields if f.virtual)
        self.floats = frozenset(f.name for f in fields if f.kind in ("float", "double"))
        self.rows = []

    def key_for(self, rows):
        """The one that the folded rows have, or None if they have another."""
        if not len(rows) and rows.key_names not in self.keys:
            return self.keys[0]
        names = rows.key_names or frozenset()
        return names if names in self.keys else None

    def read(self, cursor):
        # Rows that are history are rows to the log.
        cursor.execute("SELECT %s FROM %s.%s%s" % (
            ", ".join(field.expression() for field in self.fields), *map(quoted, self.name),
            " FOR SYSTEM_TIME ALL" if self.versioned else ""))
        self.rows = [
            {field.name: field.expected(value) for field, value in zip(self.fields, values)}
            for values in cursor.fetchall()]

    def folded(self):
        """The rows as the stream would have them."""
        return [{f.name: f.folded(row[f.name]) for f in self.fields} for row in self.rows]


def databases(cursor):
    cursor.execute("SELECT schema_name FROM information_schema.schemata")
    return [row[0] for row in cursor.fetchall() if row[0] not in SYSTEM]


def read(connection):
    """All tables that are there, with their rows: name -> Truth."""
    with connection.cursor() as cursor:
        # Values may hold anything: nothing of a session's mode may change how they are shown.
        cursor.execute("SET SESSION sql_mode = ''")
        found = databases(cursor)
        if not found:
            return {}
        within = "table_schema IN (%s)" % ", ".join(map(literal, found))
        cursor.execute(
            "SELECT table_schema, table_name, column_name, data_type, extra, table_type FROM"
            " information_schema.columns JOIN information_schema.tables USING (table_schema,"
            " table_name) WHERE %s AND table_type IN ('BASE TABLE', 'SEQUENCE', 'SYSTEM VERSIONED')"
            " ORDER BY table_schema, table_name, ordinal_position" % within)
        fields, versioned = {}, set()
        for schema, table, column, kind, extra, table_type in cursor.fetchall():
            field = Field(column, kind, KINDS.get(str(kind).lower(), "text"))
            field.virtual = "VIRTUAL" in extra.upper()
            fields.setdefault((schema, table), []).append(field)
            if table_type == "SYSTEM VERSIONED":
                versioned.add((schema, table))
        for name in versioned:
            # Where they are not declared they are there all the same.
            if not any(field.name == "row_end" for field in fields[name]):
                fields[name] += [Field(column, "timestamp(6)", "text")
                                 for column in ("row_start", "row_end")]
        cursor.execute(
            "SELECT table_schema, table_name, index_name, column_name, nullable FROM"
            " information_schema.statistics WHERE non_unique = 0 AND %s" % within)
        keys, nullable = {}, set()
        for schema, table, index, column, null in cursor.fetchall():
            keys.setdefault((schema, table), {}).setdefault(index, set()).add(column)
            if null == "YES":
                nullable.add((schema, table, index))
        tables = {}
        for name, columns in fields.items():
            more = {"row_end"} if name in versioned else set()
            tables[name] = Truth(name, columns, {
                index: frozenset(names | more) for index, names in keys.get(name, {}).items()
                if (*name, index) not in nullable}, name in versioned)
            tables[name].read(cursor)
        return tables
