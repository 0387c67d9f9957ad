# SPDX-License-Identifier: Apache-2.0
"""Columns with a structure of their own: JSON, geometries, vectors."""

import json

from .literals import offers, text
from .tables import Column, Table

ESCAPES = "".join(map(chr, range(0x20))) + "\"\\/\x7f\x80\x9f\u2028\u2029\ufeff\uffff😀𝄞"


def document(random, depth=0):
    if depth > 4 or random.random() < 0.4:
        return random.choice((
            None if depth else 0, True, False, random.randint(-5, 5), 2**15 - 1, -2**15, 2**16, 2**31 - 1, -2**31,
            2**32, 2**63 - 1, -2**63, 2**64 - 1, 0.5, -1.25e100, 3.0,
            random.uniform(-1, 1), random.uniform(-1e20, 1e20),
            "".join(random.choices('ab"\\/\n\té漢😀', k=random.randint(0, 12))),
        ))
    count = random.randint(0, 5)
    if random.random() < 0.5:
        return [document(random, depth + 1) for _ in range(count)]
    return {"%s%d" % (random.choice(("k", "schlüssel", "")), n): document(random, depth + 1)
            for n in range(count)}


def nested(depth):
    """Arrays and objects by turns, an empty one innermost."""
    found = []
    for level in range(depth - 1):
        found = {"k%d" % level: found} if level % 2 else [found, level]
    return found


# Not null by itself: nobody could tell it from NULL.
DOCUMENTS = [text(json.dumps(value, ensure_ascii=False)) for value in (
    [None], True, False, 0, -1, 1.5, 1e300, "", [], {}, {"": ""}, {"": {"": [{"": None}]}},
    [2**15 - 1, 2**15, -2**15, -2**15 - 1, 2**16 - 1, 2**16], [2**31 - 1, 2**31, -2**31, -2**31 - 1],
    [2**32 - 1, 2**32, 2**63 - 1, 2**63, -2**63, 2**64 - 1],
    [2**64, -2**63 - 1, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, -0.0, 0.1, 1e15,
     1e16, 123456789012345680.0, 3.0, 1e-7],
    {"a" * n: n for n in (1, 2, 3, 127, 128, 255, 256, 65535)},
    "y" * 127, "y" * 128, "y" * 16383, "y" * 16384, "y" * 70000, "é漢😀" * 30000,
    {"k%05d" % n: n for n in range(4000)}, [[n, str(n)] for n in range(20000)],
    [ESCAPES, {ESCAPES: ESCAPES}], nested(20), nested(100),
    {"one": "x" * 1000000, "two": list(range(3000))},
)] + [text(value) for value in (
    r'["\u0000\u001f\ud83d\ude00\u00e9\/\b\f\n\r\t\"\\"]', '{"b": 1, "a": 2, "b": 3}',
    '{"b": 1, "aa": 2, "c": {"d": 4, "d": [5]}}', ' [ 1 , { "a" : 2 } ] ', "-0", "-0.0", "1E+2",
)]

# What JSON has no types for is stored with the type that it had in SQL.
OPAQUE = """a DECIMAL(65,30), b DECIMAL(5,0), c DATE, d TIME(6), e DATETIME(6), f TIMESTAMP(6) NULL,
    g TIME, h DATETIME, i YEAR, j BIT(64), k BIT(1), l BINARY(4), m VARBINARY(300), n BLOB,
    o ENUM('x', 'y'), p SET('x', 'y'), q GEOMETRY, r FLOAT, s DOUBLE, t BIGINT UNSIGNED"""
OPAQUE_VALUES = (
    "-0.1, -1, '0000-00-00', '-838:59:59', '0000-00-00', '1970-01-01 00:00:01', 0, '2024-02-29', 0, "
    "0, 0, '', '', '', 1, 0, POINT(1, 2), 0, -0e0, 0",
    "99999999999999999999999999999999999.999999999999999999999999999999, 99999, '9999-12-31', "
    "'838:59:58.999999', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999', '-00:00:01', "
    "'1000-01-01', 2155, 18446744073709551615, 1, x'ff00', REPEAT(x'00ff', 150), "
    "REPEAT('z', 40000), 2, 3, ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))'), 0.1, 5e-324, "
    "18446744073709551615",
    "-99999999999999999999999999999999999.999999999999999999999999999999, 0, '2024-02-31', "
    "'-00:00:00.000001', '2024-00-00 01:02:03.000001', NULL, '12:34:56', '0001-01-01', 1901, 5, 0, "
    "x'00', x'00', 'é', 'x', 'x', NULL, -3.4e38, 1e300, 1",
)


def documents(server):
    if not offers(server, mysql=(5, 7, 8)):
        # To MariaDB JSON is text, which is kept as it was written.
        sql = "json" if server.flavour == "mariadb" else "longtext character set utf8mb4"
        edges = [edge for edge in DOCUMENTS if edge != text(json.dumps(nested(100)))]
        return [Column("j", sql, "text", edges,
                       lambda random: text(json.dumps(document(random), ensure_ascii=False)))]
    columns = [Column("j", "json", "json", DOCUMENTS,
                      lambda random: text(json.dumps(document(random), ensure_ascii=False)))]

    def table(db, columns):
        """Its last rows are made of columns of other types; their ids are beyond the others'."""
        names = [part.split()[0] for part in OPAQUE.replace("('x', 'y')", "").split(", ")]
        members = ", ".join("'%s', `%s`" % (name, name) for name in names)
        opaque = "`%s`.opaque" % db
        return Table(db, "documents", columns, after=[
            "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
            "CREATE TABLE %s (id INT PRIMARY KEY, %s)" % (opaque, OPAQUE),
            *("INSERT INTO %s VALUES (%d, %s)" % (opaque, 100000 + id, values)
              for id, values in enumerate(OPAQUE_VALUES)),
            "INSERT INTO `%s`.documents SELECT id, JSON_OBJECT(%s) FROM %s" % (
                db, members, opaque),
            "INSERT INTO `%s`.documents SELECT id + 100, JSON_ARRAY(%s, JSON_ARRAY(%s)) FROM %s" % (
                db, ", ".join(names), ", ".join(names), opaque),
            "INSERT INTO `%s`.documents VALUES (100200, 'null')" % db,
        ])
    return columns, table


SHAPES = (
    "POINT(1.5 2)", "POINT(-0.30000000000000004 0.1)", "POINT(0 -0)", "POINT(1e14 1e15)",
    "POINT(123456789012345680 0.00001)", "POINT(1e300 -1e-300)", "POINT(5e-324 100000)",
    "LINESTRING(1 2,3 4.25)", "POLYGON((0 0,10 0,10 10,0 0),(1 1,2 1,2 2,1 1))",
    "MULTIPOINT(1 2,3 4)", "MULTIPOINT(7 8)", "MULTILINESTRING((1 2,3 4),(5 6,7 8,9 10))",
    "MULTIPOLYGON(((0 0,10 0,10 10,0 0)),((20 20,30 20,30 30,20 20),(21 21,22 21,22 22,21 21)))",
    "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(1 2,3 4),MULTIPOINT(5 6))",
)


def point(random):
    return "%r %r" % (random.choice((random.uniform(-80, 80), random.randint(-9, 9))),
                      random.uniform(-80, 80))


def shape(random):
    points = [point(random) for _ in range(random.randint(2, 6))]
    return random.choice((
        "POINT(%s)" % points[0], "LINESTRING(%s)" % ",".join(points),
        "MULTIPOINT(%s)" % ",".join(points),
        "GEOMETRYCOLLECTION(%s)" % ",".join("POINT(%s)" % one for one in points)))


def shapes(server, kind):
    """Columns of geometries, shown in either way."""
    make = "ST_GeomFromText" if offers(server, mariadb=(10, 0), mysql=(5, 6)) else "GeomFromText"
    literal = make + "('%s')"
    edges = [literal % one for one in SHAPES]
    edges += [make + "('POINT(1.5 2)', %d)" % srid for srid in (4326, 3857, 0)]
    deep = "POINT(3 4)"
    if server.flavour == "mariadb":
        # Its texts have no collections in collections, and none that is empty.
        for depth in range(3):
            deep = "GeometryCollection(%s)" % (deep if depth else "Point(1,2)")
            edges.append(deep)
        edges += ["ST_GeomFromWKB(x'010700000000000000')", "ST_GeomFromWKB(x'010400000000000000')"]
    elif server.version >= (5, 7):
        edges += [literal % "GEOMETRYCOLLECTION EMPTY",
                  literal % "GEOMETRYCOLLECTION(GEOMETRYCOLLECTION EMPTY,POINT(1 2))",
                  literal % ("GEOMETRYCOLLECTION(" * 49 + "POINT(1 2)" + ")" * 49)]
    columns = [
        Column("g", "geometry", kind, edges, lambda random: literal % shape(random)),
        Column("p", "point", kind, [literal % one for one in SHAPES if one.startswith("POINT")],
               lambda random: literal % ("POINT(%s)" % point(random))),
        Column("l", "linestring", kind, [literal % "LINESTRING(1 2,3 4)"]),
        Column("a", "polygon", kind, [literal % SHAPES[8]]),
        Column("m", "multipolygon", kind, [literal % SHAPES[12]]),
        Column("c", "geometrycollection", kind, [literal % SHAPES[13]]),
    ]
    if offers(server, mysql=(8, 0)):
        columns.append(Column("earth", "geometry SRID 4326", kind,
                              ["ST_GeomFromText('%s', 4326)" % one for one in (
                                  "POINT(12.5 170.25)", "LINESTRING(-90 180,90 0)")],
                              lambda random: "ST_GeomFromText('POINT(%s)', 4326)" % point(random)))
    return columns


def geometries(server):
    columns = shapes(server, "binary")
    vector = {"mariadb": "VEC_FromText", "mysql": "STRING_TO_VECTOR"}[server.flavour]
    if offers(server, mariadb=(11, 7), mysql=(9, 0)):
        for size in (1, 3, 70):
            def literal(values, vector=vector):
                return "%s('[%s]')" % (vector, ",".join(map(repr, values)))

            columns.append(Column("v_%d" % size, "vector(%d)" % size, "binary",
                                  [literal([0] * size), literal([-1.5, 3.4e38, 1e-45] * 24)
                                   if size == 72 else literal([-1.5] * size)],
                                  lambda random, size=size, literal=literal: literal(
                                      [random.uniform(-1, 1) for _ in range(size)])))
    return columns


def geojson(server):
    has = offers(server, mariadb=(10, 2), mysql=(5, 7))
    return shapes(server, "geojson" if has else "own geojson")
