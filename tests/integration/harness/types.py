# SPDX-License-Identifier: Apache-2.0
"""Columns of every type, with the values at their edges and random ones.

Each group makes the columns that the server at hand can have. What only few servers offer stands
beside what the others have in its place: no group is empty on any server."""

import struct

from .documents import documents, geojson, geometries
from .literals import octets, offers, quoted, text
from .tables import Column, Table


def integers(server):
    columns = [Column("flag", "bool", "int", ("0", "1", "-128", "127"))]
    for kind, bits in (
        ("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64),
    ):
        low, high, top = -(1 << bits - 1), (1 << bits - 1) - 1, (1 << bits) - 1

        def draw(random, low=low, high=high):
            return str(random.randint(low, high))

        def draw_unsigned(random, top=top):
            return str(random.randint(0, top))

        columns += [
            Column(kind + "_s", kind, "int", map(str, (low, low + 1, -1, 0, 1, high)), draw),
            Column(kind + "_u", kind + " unsigned", "int",
                   map(str, (0, 1, high, high + 1, top)), draw_unsigned),
            Column(kind + "_z", kind + "(20) zerofill", "int", ("0", "7", str(top)),
                   draw_unsigned),
        ]
    columns.append(Column("year", "year", "int", ("0", "1901", "1970", "2024", "2155"),
                          lambda random: str(random.randint(1901, 2155))))
    return columns


def bits(server):
    return [
        Column("bit_%d" % bits, "bit(%d)" % bits, "bit",
               map(str, (0, 1, (1 << bits) - 1, 1 << bits - 1)),
               lambda random, bits=bits: str(random.getrandbits(bits)))
        for bits in range(1, 65)
    ]


def decimals(server):
    columns = []
    for digits, scale in ((1, 0), (1, 1), (5, 2), (9, 0), (9, 9), (10, 5), (18, 9), (19, 1),
                          (28, 10), (30, 30), (36, 27), (65, 0), (65, 30)):
        def draw(random, digits=digits, scale=scale):
            number = "".join(random.choice("0123456789") for _ in range(random.randint(1, digits)))
            return random.choice(("", "-")) + number + "e-%d" % scale

        most = "9" * digits + "e-%d" % scale
        least = "1e-%d" % scale
        columns.append(Column("d_%d_%d" % (digits, scale), "decimal(%d,%d)" % (digits, scale),
                              "decimal", ("0", most, "-" + most, least, "-" + least), draw))
    columns += [
        Column("d_u", "decimal(20,5) unsigned", "decimal", ("0", "0.00001", "123456789012345")),
        Column("d_z", "decimal(12,3) zerofill", "decimal", ("0", "1.5", "123456789.125")),
    ]
    return columns


def floats(server):
    def draw(code, size, most):
        def value(random):
            while True:
                number = struct.unpack(code, random.randbytes(size))[0]
                if abs(number) < most:
                    return repr(number)
        return value

    single = ("0", "-0e0", "0.1", "-1.5", "16777217", "3.402823e38", "-3.402823e38",
              "1.17549435e-38", "-1.1754942e-38", "1e-45", "1e6", "1234567", "1e15", "1e-5")
    double = ("0", "-0e0", "0.1", "-1.5", "123456789012345680", "1.7976931348623157e308",
              "-1.7976931348623157e308", "2.2250738585072014e-308", "-2.225073858507201e-308",
              "4.9406564584124654e-324", "9007199254740993", "1e14", "1e15", "1e16", "1e-15",
              "0.30000000000000004")
    return [
        Column("f", "float", "float", single, draw("f", 4, 3e38)),
        Column("f_u", "float unsigned", "float", ("0", "12345.678")),
        Column("f_z", "float zerofill", "float", ("0", "1.5", "12345.678")),
        Column("f_7_2", "float(7,2)", "float", ("0", "12345.67", "-99999.99", "0.01")),
        Column("f_30", "float(30)", "double", double, draw("d", 8, 1e308)),
        Column("d", "double", "double", double, draw("d", 8, 1e308)),
        Column("d_u", "double unsigned", "double", ("0", "12345.678")),
        Column("d_z", "double(12,3) zerofill", "double", ("0", "1.5", "12345.678")),
        Column("d_20_3", "double(20,3)", "double", ("0", "-12345678901234.567", "0.001")),
        Column("real", "real", "double", double, draw("d", 8, 1e308)),
    ]


def temporals(server):
    columns = []
    # Of 64 bits, MariaDB's TIMESTAMP has the whole of its 32 bits since 11.5.
    far = offers(server, mariadb=(11, 5))
    last, year = ("2106-02-07 06:28:1", 2105) if far else ("2038-01-19 03:14:0", 2037)
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
                   quoted("0000-00-00 00:00:00", "0001-01-01 00:00:00", "1000-01-01 00:00:00",
                          "9999-12-31 23:59:59" + most, "2024-00-00 00:00:00",
                          "2024-02-31 12:00:00", "1969-12-31 23:59:59" + most,
                          "2024-02-29 01:02:03" + least),
                   lambda random, clock=clock, day=day: "'%s %s'" % (
                       day(random, 1, 9999), clock(random, 23))),
            Column("timestamp_%d" % digits, "timestamp" + suffix, "text",
                   quoted("0000-00-00 00:00:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07",
                          last + ("5" if far else "7"), last + ("4" if far else "6") + most,
                          "2001-09-09 01:46:40" + least),
                   lambda random, clock=clock, day=day: "'%s %s'" % (
                       day(random, 1971, year), clock(random, 23))),
        ]
    columns.append(Column("date", "date", "text", quoted(
        "0000-00-00", "0001-01-01", "1000-01-01", "9999-12-31", "2024-02-29", "2024-00-00",
        "2023-02-30"), lambda random: "'%04d-%02d-%02d'" % (
            random.randint(1, 9999), random.randint(1, 12), random.randint(1, 28))))
    return columns


def old_temporals(server):
    """As MariaDB made them before 10.1.2, and makes them still if asked to."""
    def table(db, columns):
        if server.flavour != "mariadb":
            return Table(db, "old_temporals", columns)
        switch = "SET GLOBAL mysql56_temporal_format = %d"
        return Table(db, "old_temporals", columns, before=[switch % 0], after=[switch % 1])
    return temporals(server), table


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
            size = random.randint(0, min(longest, 300))
            return text("".join(random.choices(letters + " ", k=size)))
        # Blanks at the end are CHAR's padding, and VARCHAR's own.
        edges = [text(""), text("a" * longest), text((letters * longest)[:longest]),
                 text(("a" + " " * longest)[:longest]), text(" "), text((" a" * longest)[:longest])]
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


def binary(name, sql, longest):
    def draw(random):
        return octets(random.randbytes(random.randint(0, min(longest, 900))))
    # The server drops a BINARY value's last zero bytes in the log.
    edges = [octets(b""), octets(bytes(longest)), octets(b"\xff" * longest),
             octets((b"a\0" * longest)[:longest]), octets(b"a" * (longest // 2) + b"\0"),
             octets(b" "), octets(b"a" * longest)]
    return Column(name, sql, "binary", edges, draw)


def binaries(server):
    return [
        binary("binary_1", "binary(1)", 1),
        binary("binary_4", "binary(4)", 4),
        binary("binary_16", "binary(16)", 16),
        binary("binary_255", "binary(255)", 255),
        binary("varbinary_16", "varbinary(16)", 16),
        binary("varbinary_255", "varbinary(255)", 255),
        binary("varbinary_256", "varbinary(256)", 256),
        binary("tinyblob", "tinyblob", 255),
        binary("blob", "blob", 65535),
        binary("mediumblob", "mediumblob", 70000),
        binary("longblob", "longblob", 66000),
    ]


def choices(server):
    many = ["v%03d" % n for n in range(300)]
    columns = []

    def add(kind, name, labels, charset="utf8mb4"):
        count = len(labels)
        sql = "%s(%s) character set %s" % (kind, ",".join(quoted(*labels)), charset)
        if kind == "enum":
            # '?' is no label: outside strict mode it is stored as index 0.
            edges, draw = ("1", str(count), "'?'"), lambda random: str(random.randint(1, count))
        else:
            edges = ("0", "1", str(1 << count - 1), str((1 << count) - 1))
            draw = lambda random: str(random.getrandbits(count))  # noqa: E731
        columns.append(Column(name, sql, "label", edges, draw))

    add("enum", "e_1", ["only"])
    add("enum", "e_3", ["small", "it''s", "größer"])
    add("enum", "e_odd", ["a,b", '"', "''", "\\\\", "(", ")", "a b", "a\\nb", "", "漢", ","])
    add("enum", "e_255", many[:255])
    add("enum", "e_256", many[:256])
    add("enum", "e_latin1", ["é", "?", "a?b", "€"], "latin1")
    add("enum", "e_ascii", ["a", "b"], "ascii")
    add("enum", "e_binary", ["a", "é"], "binary")
    add("set", "s_binary", ["a", "é"], "binary")
    add("set", "s_1", ["only"])
    add("set", "s_3", ["a", "ß", "漢"])
    add("set", "s_odd", ['"', "it''s", "\\\\", "(", "a b", "漢"])
    for size in (8, 9, 16, 17, 24, 25, 32, 33, 40):
        add("set", "s_%d" % size, many[:size])
    add("set", "s_63", many[:63])
    add("set", "s_64", many[:64], "latin1")
    return columns


def compressed(server):
    """MariaDB's compressed columns; MySQL compresses pages."""
    if server.flavour != "mariadb":
        columns = [binary("blob", "blob", 65535),
                   Column("text", "text", "text", [text("a" * 5000)])]
        return columns, lambda db, columns: Table(
            db, "compressed", columns, more=("", " ROW_FORMAT=COMPRESSED"))

    def column(name, sql, kind, longest, alphabet="utf8mb4"):
        kinds = {"text": text, "binary": lambda value: octets(value.encode("latin-1"))}
        letters = ALPHABETS[alphabet] if kind == "text" else "".join(map(chr, range(256)))

        def draw(random):
            size = random.choice((0, 1, 99, 100, 101, random.randint(0, 5000)))
            return kinds[kind]("".join(random.choices(
                letters[:random.randint(1, len(letters))], k=min(size, longest))))
        edges = [kinds[kind](value) for value in (
            "", "a", " ", "\0" * min(longest, 150), "a" * min(longest, 99), "a" * min(longest, 100),
            "a" * longest, ("ab" * longest)[:longest])]
        return Column(name, sql, kind, edges, draw)

    return [
        column("varchar_20", "varchar(20) compressed", "text", 20),
        column("varchar_63", "varchar(63) compressed", "text", 63),
        column("varchar_64", "varchar(64) compressed", "text", 64),
        column("varchar_700", "varchar(700) compressed", "text", 700),
        column("varbinary_254", "varbinary(254) compressed", "binary", 254),
        column("varbinary_255", "varbinary(255) compressed", "binary", 255),
        column("varbinary_3000", "varbinary(3000) compressed", "binary", 3000),
        column("tinytext", "tinytext compressed", "text", 60),
        column("text", "text compressed", "text", 10000),
        column("latin", "mediumtext compressed character set latin1", "text", 5000, "latin1"),
        column("tinyblob", "tinyblob compressed", "binary", 254),
        column("blob", "blob compressed", "binary", 65000),
        column("mediumblob", "mediumblob compressed", "binary", 70000),
        column("longtext", "longtext compressed", "text", 20000),
        column("longblob", "longblob compressed", "binary", 300000),
    ]


def addresses(server):
    """MariaDB's types for them, and what others keep them in."""
    def inet6(random):
        """Words of few values, so that there are runs of zeros of every length and place."""
        words = random.choices(("0", "0", "0", "1", "ffff", "a0b"), k=8)
        return ":".join(words)

    def inet4(random):
        return ".".join(str(random.choice((0, 1, 10, 127, 200, 255))) for _ in range(4))

    def uuid(random):
        digits = random.randbytes(random.choice((16, 16, 15, 9))).hex().ljust(32, "0")
        version, variant = random.choice("0123456789f"), random.choice("0789abcf")
        digits = digits[:12] + version + digits[13:16] + variant + digits[17:]
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    columns = [
        Column("i6_bytes", "varbinary(16)", "binary", ("INET6_ATON('::1')", "INET6_ATON('1.2.3.0')"),
               lambda random: "INET6_ATON('%s')" % inet6(random)),
        Column("i4_int", "int unsigned", "int", ("INET_ATON('255.255.255.255')",),
               lambda random: "INET_ATON('%s')" % inet4(random)),
        Column("i6_16", "binary(16)", "binary", ("INET6_ATON('1::')", "INET6_ATON('::1')"),
               lambda random: "INET6_ATON('%s')" % inet6(random)),
        Column("u_16", "binary(16)", "binary", ("REPEAT('\\0', 16)", "x'00ff00'"),
               lambda random: "x'%s'" % uuid(random).replace("-", "")),
        Column("i4_4", "binary(4)", "binary", ("x'00000000'", "x'01020300'"),
               lambda random: octets(random.randbytes(4))),
    ]
    if offers(server, mariadb=(10, 5)):
        columns.append(Column("i6", "inet6", "text", quoted(
            "::", "::1", "::1:0", "::1.2.3.4", "::ffff:1.2.3.4", "::ffff:0:0", "::fffe:1:2",
            "1:0:2:3:4:5:6:7", "2:3:4:5:6:7:8:0", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "fe80::1",
            "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789"), lambda random: "'%s'" % inet6(random)))
    if offers(server, mariadb=(10, 10)):
        columns.append(Column("i4", "inet4", "text", quoted(
            "0.0.0.0", "255.255.255.255", "1.2.3.0", "10.0.0.0"),
            lambda random: "'%s'" % inet4(random)))
    if offers(server, mariadb=(10, 7)):
        edges = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
        edges += ["00112233-4455-%s677-%s899-aabbccddeeff" % (version, variant)
                  for version in "12345678" for variant in "8c"]
        columns.append(Column("u", "uuid", "text", quoted(*edges),
                              lambda random: "'%s'" % uuid(random)))
    return columns


def generated(server):
    """Columns that the server fills, hides, or makes for itself."""
    columns = [
        Column("a", "int", "int", ("0", "-1", "2147483646"),
               lambda random: str(random.randint(-10**9, 10**9))),
        Column("b", "varchar(20) character set utf8mb4", "text", (text("É😀"), text("")),
               lambda random: text("".join(random.choices("aé漢", k=random.randint(0, 20))))),
    ]
    more = ("", "")
    if offers(server, mariadb=(10, 2), mysql=(5, 7)):
        columns += [
            Column("a_stored", "bigint AS (a + 1) STORED", "int"),
            Column("a_virtual", "bigint AS (a * 2) VIRTUAL", "int"),
            Column("b_virtual", "varchar(40) character set utf8mb4 AS (CONCAT(b, '-', b)) VIRTUAL",
                   "text"),
            Column("b_stored", "varbinary(90) AS (CONCAT(b, 'x')) STORED", "binary"),
        ]
    if offers(server, mariadb=(10, 3), mysql=(8, 0, 23)):
        columns += [Column("hidden", "int INVISIBLE", "int", ("1", "-7")),
                    Column("c", "int", "int", ("3",)),
                    Column("hidden_virtual", "bigint AS (a + hidden) VIRTUAL INVISIBLE", "int")]
    if offers(server, mysql=(8, 0, 13)):
        more = (", KEY f ((LOWER(b))), KEY g ((a + 1), (a * 3))", "")
    columns.append(Column("last", "tinyint unsigned", "int", ("255",)))
    return columns, lambda db, columns: Table(db, "generated", columns, more=more)


def wide(count):
    """So many columns, with every pattern of NULLs."""
    def columns(server):
        return [
            Column("c%d" % n, "tinyint" if n % 3 else "varchar(3)", "int" if n % 3 else "text",
                   ("1", "'%d'" % (n % 100), "NULL"),
                   lambda random: "NULL" if random.random() < 0.6 else "'%d'" % random.randint(0, 99))
            for n in range(count - 1)
        ]
    return columns


GROUPS = {
    "integers": integers, "bits": bits, "decimals": decimals, "floats": floats,
    "temporals": temporals, "old_temporals": old_temporals,
    **{"strings_" + charset: lambda server, charset=charset: strings(charset)
       for charset in ALPHABETS},
    "binaries": binaries, "choices": choices, "compressed": compressed, "documents": documents,
    "geometries": geometries, "geojson": geojson, "addresses": addresses, "generated": generated,
    **{"wide_%d" % count: wide(count) for count in (9, 70, 130, 1017)},
}


def table_of(group, db, server):
    made = GROUPS[group](server)
    columns, make = made if isinstance(made, tuple) else (
        made, lambda db, columns: Table(db, group, columns))
    return make(db, [Column("id", "int", "int", nullable=False), *columns])
