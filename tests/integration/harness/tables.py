# SPDX-License-Identifier: Apache-2.0
"""Tables, their rows as the database tells them, and what has to be seen of them elsewhere.

A value is compared as JSON is to show it: `expected()` makes that of what the database says, and
`parse()` reads what fastlane wrote, with numbers kept as they are written."""

import base64
import hashlib
import json
import re
import struct

from .geometry import geojson_of


class Number:
    """A JSON number, as its text: nothing is lost in a double."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    def __eq__(self, other):
        return isinstance(other, Number) and self.text == other.text

    def __hash__(self):
        return hash(self.text)


def unique(pairs):
    result = dict(pairs)
    assert len(result) == len(pairs), "a JSON object names a member twice: %r" % pairs
    return result


def numbers_alone(value):
    if isinstance(value, Number):
        return float(value.text)
    if isinstance(value, list):
        return [numbers_alone(part) for part in value]
    if isinstance(value, dict):
        return {name: numbers_alone(part) for name, part in value.items()}
    return value


def parse(text):
    return json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=unique)


class Column:
    """`kind`: int, decimal, float, double, bit, text, label, binary, json, geojson, or own geojson (of
    a server that has none); `edges`: literals that all occur; `draw(random)`: makes further ones;
    neither: a column that the server generates."""

    def __init__(self, name, sql, kind, edges=(), draw=None, nullable=True):
        self.name, self.sql, self.kind = name, sql, kind
        self.edges, self.draw, self.nullable = list(edges), draw, nullable

    @property
    def generated(self):
        return " AS (" in self.sql

    @property
    def definition(self):
        nullability = "" if self.generated else " NULL" if self.nullable else " NOT NULL"
        return "`%s` %s%s" % (self.name, self.sql, nullability)

    def literal(self, random):
        if self.nullable and random.random() < 0.1:
            return "NULL"
        if self.draw and (not self.edges or random.random() < 0.6):
            return self.draw(random)
        return random.choice(self.edges)

    def expression(self):
        """Selects the value in a form that loses nothing."""
        return {
            "float": "`%s` * 1e0",  # alone it is shown with six digits, or as many as declared
            "double": "`%s` * 1e0",
            "bit": "CAST(`%s` AS UNSIGNED)",
            "label": "CONVERT(`%s` USING utf8mb4)",
            "binary": "HEX(`%s`)",
            "own geojson": "HEX(`%s`)",
            "json": "CAST(`%s` AS CHAR)",
            "geojson": "ST_AsGeoJSON(`%s`)",
        }.get(self.kind, "`%s`") % self.name

    def expected(self, value):
        """What JSON has to hold for a value that the database gave."""
        if value is None:
            return None
        if self.kind in ("int", "bit"):
            return Number(str(int(value)))
        if self.kind in ("float", "double"):
            return float(value)
        if self.kind == "decimal" and "zerofill" in self.sql:
            return re.sub(r"^0+(?=\d)", "", value)
        if self.kind == "binary":
            return base64.b64encode(bytes.fromhex(value)).decode()
        if self.kind in ("json", "geojson"):
            return parse(value)
        if self.kind == "own geojson":
            return geojson_of(bytes.fromhex(value))
        return value

    def same(self, expected, got):
        """Whether a parsed value is the expected one."""
        if self.kind in ("float", "double") and expected is not None:
            if not isinstance(got, Number):
                return False
            value = float(got.text)
            if self.kind == "float":
                value = struct.unpack("f", struct.pack("f", value))[0]
            return struct.pack("d", value) == struct.pack("d", expected)
        if self.kind == "own geojson" and expected is not None:
            # In numbers alone: the server has no text of its own to be compared with.
            return numbers_alone(got) == expected
        return repr(expected) == repr(got)


class Table:
    """`key`: the names of the primary key's columns; `more`: keys and options of CREATE TABLE;
    `before`, `after`: statements around it."""

    def __init__(self, db, name, columns, key=("id",), more=("", ""), before=(), after=()):
        self.db, self.name, self.columns, self.key = db, name, columns, key
        self.more, self.before, self.after = more, before, after

    def create(self):
        parts = [c.definition for c in self.columns]
        return "CREATE TABLE `%s`.`%s` (%s, PRIMARY KEY (%s)%s)%s" % (
            self.db, self.name, ", ".join(parts), ", ".join(self.key), *self.more,
        )

    def statements(self):
        return [*self.before, self.create(), *self.after]

    def insert(self, values):
        """`values`: a literal for each column by its name."""
        return "INSERT INTO `%s`.`%s` (%s) VALUES (%s)" % (
            self.db, self.name, ", ".join("`%s`" % name for name in values),
            ", ".join(values.values()),
        )

    @property
    def template(self):
        """The template of its keys in caches."""
        return "%s:%s" % (self.name, ":".join("{%s}" % name for name in self.key))

    def rule(self, **more):
        """Its section of the configuration."""
        return {"table": "%s.%s" % (self.db, self.name), "key": self.template, **more}

    def rows(self, server):
        """What the database holds: cache key -> {column: expected value}."""
        select = "SELECT %s FROM `%s`.`%s`" % (
            ", ".join(c.expression() for c in self.columns), self.db, self.name,
        )
        found = {}
        for values in server.run(select):
            row = {c.name: c.expected(v) for c, v in zip(self.columns, values)}
            found[self.cache_key(row)] = row
        return found

    def cache_key(self, row):
        return "%s:%s" % (self.name, ":".join(str(row[name]) for name in self.key))

    def differences(self, expected, got):
        """Names the columns in which a parsed row differs from the expected one."""
        names = [c.name for c in self.columns if not c.same(expected[c.name], got.get(c.name, ...))]
        if list(got) != [c.name for c in self.columns]:
            names.append("(columns %s)" % list(got))
        return names


def memcached_key(key):
    """How the memcached sink writes a key."""
    octets = key.encode()
    quoted = "".join("%%%02X" % o if o <= 0x20 or o in (0x7F, 0x25) else chr(o) for o in octets)
    quoted = quoted.encode("latin-1")
    if len(quoted) > 250:
        return "sha256:" + hashlib.sha256(octets).hexdigest()
    return quoted.decode()


def compare(table, server, found, all_there=True):
    """Compares the database with `found`, cache key -> JSON text or parsed row. Returns the numbers
    of rows and of values compared, and a list of what differs."""
    expected = table.rows(server)
    wrong = ["%s is missing" % key for key in expected.keys() - found.keys() if all_there]
    wrong += ["%s should be gone" % key for key in found.keys() - expected.keys()]
    values = 0
    for key in expected.keys() & found.keys():
        got = found[key]
        if not isinstance(got, dict):
            got = parse(got)
        values += len(table.columns)
        for name in table.differences(expected[key], got):
            wrong.append(
                "%s: %s is %.200r, not %.200r" % (key, name, got.get(name), expected[key].get(name))
            )
    return len(expected.keys() & found.keys()), values, wrong
