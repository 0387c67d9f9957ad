# SPDX-License-Identifier: Apache-2.0
"""Columns of all types for random tables."""

import json
import re
import types as python

from harness import types
from harness.documents import documents, geometries
from harness.literals import octets, quoted, text
from harness.tables import Column

# What the columns depend on, of servers that need not run.
PROFILES = {name: python.SimpleNamespace(flavour=flavour, version=version) for name, flavour, version in (
    ("mariadb", "mariadb", (10, 11)), ("mariadb118", "mariadb", (11, 8)),
    ("mysql", "mysql", (9, 7)), ("mysql56", "mysql", (5, 6)))}
GEOMETRY = re.compile(r"geom|(multi)?(point|linestring|polygon)")

# Letters of character sets beside the ones that types.py has.
MORE_ALPHABETS = {
    "utf16": "aé漢😀", "utf16le": "aé漢😀", "utf32": "aé漢😀", "ucs2": "aé漢字",
    "gbk": "a中文汉字", "gb2312": "a中文汉字", "big5": "a中功許", "sjis": "aカ表ソ",
    "cp932": "aカ表ソ①", "ujis": "aカ表", "eucjpms": "aカ表①", "euckr": "a한글",
    "latin2": "aąęł", "latin5": "ağşı", "latin7": "aąęė", "cp1250": "aąęł", "cp1251": "aПривет",
    "cp1256": "aسلام", "cp1257": "aąęė", "cp850": "aéü", "cp852": "aąęł", "cp866": "aПривет",
    "koi8r": "aПривет", "koi8u": "aПривіт", "greek": "aαβγ", "hebrew": "aשלום", "tis620": "aกขค",
    "armscii8": "aԱԲ", "geostd8": "aაბ", "keybcs2": "ačř", "macce": "aąę", "macroman": "aéü",
    "hp8": "aéü", "dec8": "aéü",
}
NOT_IN_MARIADB = {"gb18030": "a中文㐂😀"}
BYTES = {"utf8mb4": 4, "utf8": 3, "latin1": 1, "ascii": 1}


def small(server):
    """Columns that take little room, for wide tables."""
    made = PROFILES[server]
    return types.integers(made) + types.bits(made) + types.decimals(made)[:4] + types.floats(
        made) + types.temporals(made) + [
        Column("v", "varchar(5)", "text", [text("v"), text(""), text("漢")]),
        Column("b", "varbinary(3)", "binary", [octets(b"\0\1"), octets(b"")])]


def charset_columns(server):
    alphabets = {**MORE_ALPHABETS, **({} if "mariadb" in server else NOT_IN_MARIADB)}
    for charset, letters in alphabets.items():
        def draw(random, letters=letters):
            return text("".join(random.choices(letters, k=random.randint(0, 20))))
        edges = [text(""), text(letters), text("a  ")]
        for name, sql in (("char", "char(20)"), ("varchar", "varchar(60)"), ("text", "text")):
            yield Column("%s_%s" % (name, charset), "%s character set %s" % (sql, charset), "text",
                         edges, draw)
        labels = ",".join(quoted(*letters[1:3]))
        yield Column("enum_" + charset, "enum(%s) character set %s" % (labels, charset), "label",
                     ("1", "2", "''"))
        yield Column("set_" + charset, "set(%s) character set %s" % (labels, charset), "label",
                     ("0", "1", "2", "3"))


def geometry_columns(server):
    return [column for column in geometries(PROFILES[server]) if GEOMETRY.match(column.sql)]


def vector_columns(server):
    return [column for column in geometries(PROFILES[server]) if not GEOMETRY.match(column.sql)]


def document(random):
    """One that JSON_SET and the like find something to do in."""
    return text(json.dumps({
        "a": random.randint(-9, 9), "s": "t" * random.randint(0, 30), "pad": "p" * 300,
        "list": [1, 2, random.random(), "four"],
        "deep": {"gone": True, "er": {"x": "long enough to be written over", "list": [10, 20]}}}))


def json_columns(server):
    made = documents(PROFILES[server])
    column, = made[0] if isinstance(made, tuple) else made
    yield column
    changeable = Column("doc", "json", column.kind, [], document)
    changeable.document = True
    yield changeable


MORE = {
    "json": json_columns, "geometry": geometry_columns, "vectors": vector_columns,
    "charsets": charset_columns, "compressed_columns": lambda server: types.compressed(PROFILES[server]),
    "net_types": lambda server: types.addresses(PROFILES[server]),
}


def pools(server, features):
    """Lists of columns; a table takes from each list alike."""
    found = [make(PROFILES[server]) for make in (
        types.integers, types.bits, types.decimals, types.floats, types.temporals, types.binaries,
        types.choices)]
    found += [types.strings(charset) for charset in types.ALPHABETS]
    found += [list(make(server)) for name, make in MORE.items() if name in features]
    return found


def room(column):
    """About how many bytes of a row's 65535 the column takes."""
    size = re.match(r"(?:var)?(?:char|binary)\((\d+)\)", column.sql)
    if not size:
        return 12
    charset = re.search(r"character set (\w+)", column.sql)
    return int(size[1]) * (BYTES.get(charset[1], 4) if charset else 4) + 2


def literal(column, random):
    """As Column.literal(), but long values are rare."""
    for _ in range(6):
        value = column.literal(random)
        if len(value) < 1500 or random.random() < (0.06 if len(value) < 100000 else 0.01):
            break
    return value
