# SPDX-License-Identifier: Apache-2.0
"""Columns of all types for random tables."""

import json
import re

from harness import types
from harness.tables import Column
from harness.types import octets, quoted, text

# Letters that can be stored in the server's character sets.
ALPHABETS = {
    "utf8mb4": types.ALPHABETS["utf8mb4"], "utf8": types.ALPHABETS["utf8"],
    "latin1": types.ALPHABETS["latin1"], "ascii": types.ALPHABETS["ascii"],
}
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
SHAPES = (
    "POINT(1.5 -2.25)", "LINESTRING(0 0,1 1,2 0)", "POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))",
    "MULTIPOINT(0 0,1 1)", "MULTILINESTRING((0 0,1 1),(2 2,3 3))", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
    "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))")
BYTES = {"utf8mb4": 4, "utf8": 3, "latin1": 1, "ascii": 1}


def small(server):
    """Columns that take little room, for wide tables."""
    pool = types.integers() + types.decimals()[:4] + types.floats() + types.temporals()
    return [column for column in pool] + [
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
        yield Column("enum_" + charset, "enum(%s) character set %s" % (labels, charset), "text",
                     ("1", "2", "''"))
        yield Column("set_" + charset, "set(%s) character set %s" % (labels, charset), "text",
                     ("0", "1", "2", "3"))


def geometry_columns(server):
    yield Column("shape", "geometry", "binary",
                 ["ST_GeomFromText('%s')" % shape for shape in SHAPES])
    yield Column("point", "point", "binary", ["ST_GeomFromText('%s')" % SHAPES[0]],
                 lambda random: "ST_GeomFromText('POINT(%r %r)')" % (
                     random.uniform(-1e9, 1e9), random.randint(-5, 5)))
    yield Column("placed", "geometry", "binary", ["ST_GeomFromText('POINT(10 20)', 3857)"])


def vector_columns(server):
    convert = "VEC_FromText" if "mariadb" in server else "STRING_TO_VECTOR"
    yield Column("vector", "vector(3)", "binary",
                 ["%s('[%s]')" % (convert, value) for value in ("1,2,3", "-0.5,0,1e10")],
                 lambda random: "%s('[%r,%r,%r]')" % (
                     convert, random.random(), random.uniform(-1e6, 1e6), random.randint(0, 9)))


def compressed_columns(server):
    def words(random):
        return text("compress me " * random.randint(0, 80))
    yield Column("zip_text", "text COMPRESSED", "text", [text("a" * 2000), text("x"), text("")], words)
    yield Column("zip_varchar", "varchar(1000) COMPRESSED", "text",
                 [text("b" * 900), text("x"), text("")], words)
    yield Column("zip_blob", "longblob COMPRESSED", "binary",
                 [octets(bytes(3000)), octets(b"\1"), octets(b"")],
                 lambda random: octets(random.randbytes(random.randint(0, 30)) * 20))
    yield Column("zip_varbinary", "varbinary(900) COMPRESSED", "binary", [octets(b"\7" * 900), octets(b"")])


def net_columns(server):
    yield Column("inet6", "inet6", "text", quoted(
        "::", "::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4", "1:0:0:2::3", "ffff::"))
    yield Column("uuid", "uuid", "text", quoted(
        "123e4567-e89b-12d3-a456-426655440000", "ffffffff-ffff-ffff-ffff-fffffffffffe",
        "018f3c5e-0000-7000-8000-000000000000"))
    yield Column("inet4", "inet4", "text", quoted("0.0.0.0", "127.0.0.1", "255.255.255.255", "1.0.0.0"))


def document(random):
    """One that JSON_SET and the like find something to do in."""
    return text(json.dumps({
        "a": random.randint(-9, 9), "s": "t" * random.randint(0, 30), "pad": "p" * 300,
        "list": [1, 2, random.random(), "four"],
        "deep": {"gone": True, "er": {"x": "long enough to be written over", "list": [10, 20]}}}))


def json_columns(server):
    column, = types.documents("mariadb" if "mariadb" in server else "mysql")
    yield column
    changeable = Column("doc", "json", column.kind, [], document)
    changeable.document = True
    yield changeable


MORE = {
    "json": json_columns, "geometry": geometry_columns, "vectors": vector_columns,
    "charsets": charset_columns, "compressed_columns": compressed_columns, "net_types": net_columns,
}


def pools(server, features):
    """Lists of columns; a table takes from each list alike."""
    found = [types.integers(), types.decimals(), types.floats(), types.temporals(),
             types.binaries(), types.choices()]
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
        if len(value) < 1500 or random.random() < 0.06:
            break
    return value
