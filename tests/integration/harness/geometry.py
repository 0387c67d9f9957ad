# SPDX-License-Identifier: Apache-2.0
"""GeoJSON of a geometry as stored, in MySQL's words, for servers that have no ST_AsGeoJSON()."""

import struct

NAMES = (None, "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
         "GeometryCollection")
POINT, LINE, POLYGON, COLLECTION = 1, 2, 3, 7


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def many(self, read):
        return [read() for _ in range(self.take("I")[0])]

    def coordinates(self, kind):
        if kind == POINT:
            return list(self.take("dd"))
        if kind == LINE:
            return self.many(lambda: self.coordinates(POINT))
        if kind == POLYGON:
            return self.many(lambda: self.coordinates(LINE))
        return self.many(lambda: self.coordinates(self.head()))

    def head(self):
        order, kind = self.take("BI")
        assert order == 1
        return kind

    def geometry(self):
        kind = self.head()
        if kind == COLLECTION:
            return {"type": NAMES[kind], "geometries": self.many(self.geometry)}
        return {"type": NAMES[kind], "coordinates": self.coordinates(kind)}


def geojson_of(data):
    reader = Reader(data)
    reader.take("I")  # SRID
    found = reader.geometry()
    assert reader.at == len(data)
    return found
