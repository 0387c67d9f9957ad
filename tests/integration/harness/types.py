# SPDX-License-Identifier: Apache-2.0
"""Columns of every type, with the values at their edges and random ones."""

import json
import struct

from .tables import Column, Table


def text(value):
    return "_utf8mb4 x'%s'" % value.encode().hex()


def octets(value):
    return "x'%s'" % value.hex()


def quoted(*values):
    return ["'%s'" % value for value in values]


def integers():
    columns = [Column("flag", "bool", "int", ("0", "1", "-128", "127"))]
    for kind, bits in (
        ("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64),
    ):
        low, high, top = -(1 << bits - 1), (1 << bits - 1) - 1, (1 << bits) - 1
        columns += [
            Column(kind + "_s", kind, "int", map(str, (low, low + 1, -1, 0, 1, high)),
                   lambda random, low=low, high=high: str(random.randint(low, high))),
            Column(kind + "_u", kind + " unsigned", "int", map(str, (0, 1, high, high + 1, top)),
                   lambda random, top=top: str(random.randint(0, top))),
        ]
    columns += [
        Column("bit_%d" % bits, "bit(%d)" % bits, "bit", map(str, (0, 1, (1 << bits) - 1)),
               lambda random, bits=bits: str(random.getrandbits(bits)))
        for bits in (1, 2, 7, 8, 9, 16, 17, 31, 32, 33, 48, 63, 64)
    ]
    columns.append(Column("year", "year", "int", ("0", "1901", "2024", "2155")))
    return columns


def decimals():
    columns = []
    for digits, scale in ((1, 0), (1, 1), (5, 2), (9, 0), (9, 9), (10, 5), (18, 9), (19, 1),
                          (28, 10), (30, 30), (36, 27), (65, 0), (65, 30)):
        def draw(random, digits=digits, scale=scale):
            number = "".join(random.choice("0123456789") for _ in range(random.randint(1, digits)))
            return random.choice(("", "-")) + number + "e-%d" % scale

        most = "9" * digits + "e-%d" % scale
        columns.append(Column("d_%d_%d" % (digits, scale), "decimal(%d,%d)" % (digits, scale),
                              "decimal", ("0", most, "-" + most, "1e-%d" % scale), draw))
    columns.append(Column("d_u", "decimal(20,5) unsigned", "decimal", ("0", "0.00001")))
    return columns


def floats():
    def draw(code, size, most):
        def value(random):
            while True:
                number = struct.unpack(code, random.randbytes(size))[0]
                if abs(number) < most:
                    return repr(number)
        return value

    return [
        Column("f", "float", "float", ("0", "-0e0", "0.1", "-1.5", "3.402823e38", "1e-45",
                                       "16777217"), draw("f", 4, 3e38)),
        Column("d", "double", "double", ("0", "-0e0", "0.1", "-1.5", "1.7976931348623157e308",
                                         "2.2250738585072014e-308", "123456789012345680"),
               draw("d", 8, 1e308)),
        Column("f_u", "float unsigned", "float", ("0", "12345.678")),
        Column("d_u", "double unsigned", "double", ("0", "12345.678")),
    ]


def temporals():
    columns = []
    for digits in range(7):
        suffix = "(%d)" % digits
        least = "." + "0" * (digits - 1) + "1" if digits else ""
        most = "." + "9" * digits if digits else ""

        def fraction(random, digits=digits):
            return ".%0*d" % (digits, random.randrange(10 ** digits)) if digits else ""

        def clock(random, hours, fraction=fraction):
            return "%02d:%02d:%02d%s" % (
                random.randint(0, hours), random.randint(0, 59), random.randint(0, 59),
                fraction(random))

        def day(random, first, last):
            return "%04d-%02d-%02d" % (
                random.randint(first, last), random.randint(1, 12), random.randint(1, 28))

        columns += [
            Column("time_%d" % digits, "time" + suffix, "text",
                   quoted("00:00:00", "-838:59:59", "838:59:59", "838:59:58" + most,
                          "-838:59:58" + most, "-00:00:00" + least, "-00:00:01" + most,
                          "-01:00:00" + least, "23:59:59" + most),
                   lambda random, clock=clock: "'%s%s'" % (
                       random.choice(("", "-")), clock(random, 837))),
            Column("datetime_%d" % digits, "datetime" + suffix, "text",
                   quoted("0000-00-00 00:00:00", "1000-01-01 00:00:00",
                          "9999-12-31 23:59:59" + most, "2024-00-00 00:00:00",
                          "2024-02-31 12:00:00", "1969-12-31 23:59:59" + most,
                          "2024-02-29 01:02:03" + least),
                   lambda random, clock=clock, day=day: "'%s %s'" % (
                       day(random, 1, 9999), clock(random, 23))),
            Column("timestamp_%d" % digits, "timestamp" + suffix, "text",
                   quoted("0000-00-00 00:00:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07",
                          "2038-01-19 03:14:06" + most, "2001-09-09 01:46:40" + least),
                   lambda random, clock=clock, day=day: "'%s %s'" % (
                       day(random, 1971, 2037), clock(random, 23))),
        ]
    columns.append(Column("date", "date", "text", quoted(
        "0000-00-00", "1000-01-01", "9999-12-31", "2024-02-29", "2024-00-00", "2023-02-30")))
    return columns


ALPHABETS = {
    "utf8mb4": "aé漢😀𝄞\\'\"\n\t\0\x1f\x7f\u2028",
    "utf8": "aé漢字\0€",
    "latin1": "aB9 éüß€ÿ\x81",
    "ascii": "aB9 ~\\'\"\0\x7f",
}


def strings(charset):
    letters = ALPHABETS[charset]

    def column(name, sql, longest):
        def draw(random):
            return text("".join(random.choices(letters, k=random.randint(0, min(longest, 300)))))
        edges = [text(""), text("a" * longest), text((letters * longest)[:longest])]
        return Column(name, "%s character set %s" % (sql, charset), "text", edges, draw)

    return [
        column("char_1", "char(1)", 1),
        column("char_60", "char(60)", 60),
        column("char_255", "char(255)", 255),
        column("varchar_20", "varchar(20)", 20),
        column("varchar_700", "varchar(700)", 700),
        column("tinytext", "tinytext", 60),
        column("text", "text", 4000),
        column("mediumtext", "mediumtext", 17000),
        column("longtext", "longtext", 70000),
    ]


def binaries():
    def column(name, sql, longest):
        def draw(random):
            return octets(random.randbytes(random.randint(0, min(longest, 900))))
        # The server drops a BINARY value's last zero bytes in the log.
        edges = [octets(b""), octets(bytes(longest)), octets(b"\xff" * longest),
                 octets((b"a\0" * longest)[:longest])]
        return Column(name, sql, "binary", edges, draw)

    return [
        column("binary_1", "binary(1)", 1),
        column("binary_16", "binary(16)", 16),
        column("binary_255", "binary(255)", 255),
        column("varbinary_255", "varbinary(255)", 255),
        column("varbinary_256", "varbinary(256)", 256),
        column("tinyblob", "tinyblob", 255),
        column("blob", "blob", 65535),
        column("mediumblob", "mediumblob", 70000),
        column("longblob", "longblob", 66000),
    ]


def choices():
    many = ["v%03d" % n for n in range(300)]
    columns = []

    def add(kind, name, labels, charset="utf8mb4"):
        count = len(labels)
        sql = "%s(%s) character set %s" % (kind, ",".join(quoted(*labels)), charset)
        if kind == "enum":
            # '' is no label: outside strict mode it is stored as index 0.
            edges, draw = ("1", str(count), "''"), lambda random: str(random.randint(1, count))
        else:
            edges = ("0", "1", str(1 << count - 1), str((1 << count) - 1))
            draw = lambda random: str(random.getrandbits(count))  # noqa: E731
        columns.append(Column(name, sql, "text", edges, draw))

    add("enum", "e_1", ["only"])
    add("enum", "e_3", ["small", "it''s", "größer"])
    add("enum", "e_255", many[:255])
    add("enum", "e_256", many[:256])
    add("enum", "e_latin1", ["é", "ü"], "latin1")
    add("set", "s_1", ["only"])
    add("set", "s_3", ["a", "ß", "漢"])
    add("set", "s_8", many[:8])
    add("set", "s_9", many[:9])
    add("set", "s_33", many[:33])
    add("set", "s_64", many[:64], "latin1")
    return columns


def document(random, depth=0):
    if depth > 4 or random.random() < 0.4:
        return random.choice((
            None, True, False, random.randint(-5, 5), 2**15 - 1, -2**15, 2**16, 2**31 - 1, -2**31,
            2**32, 2**63 - 1, -2**63, 2**64 - 1, 0.5, -1.25e100, 3.0,
            "".join(random.choices('ab"\\/\n\té漢😀', k=random.randint(0, 12))),
        ))
    count = random.randint(0, 5)
    if random.random() < 0.5:
        return [document(random, depth + 1) for _ in range(count)]
    return {"%s%d" % (random.choice(("k", "schlüssel", "")), n): document(random, depth + 1)
            for n in range(count)}


def documents(flavour):
    edges = [text(json.dumps(value, ensure_ascii=False)) for value in (
        None, True, 0, -1, 65535, 65536, 2**64 - 1, -2**63, 1.5, 1e300, "", [], {}, {"": ""},
        "y" * 70000, {"k%05d" % n: n for n in range(4000)}, [[[[[]]]]],
    )]
    if flavour == "mysql":
        edges += [
            "JSON_OBJECT('n', CAST('-1.50' AS DECIMAL(5,2)), 'd', CAST('2015-01-15' AS DATE))",
            "JSON_ARRAY(CAST('2015-01-15 23:24:25.12' AS DATETIME(2)), CAST('-10:11:12' AS TIME))",
            "JSON_ARRAY(CAST(x'00ff' AS BINARY(2)))",
        ]
    return [Column("j", "json", "json" if flavour == "mysql" else "text", edges,
                   lambda random: text(json.dumps(document(random), ensure_ascii=False)))]


def all_tables(db, flavour):
    groups = {
        "integers": integers(), "decimals": decimals(), "floats": floats(),
        "temporals": temporals(), "binaries": binaries(), "choices": choices(),
        "documents": documents(flavour),
        **{"strings_" + charset: strings(charset) for charset in ALPHABETS},
    }
    for columns in groups.values():
        columns.insert(0, Column("id", "int", "int", nullable=False))
    return [Table(db, name, columns) for name, columns in groups.items()]
