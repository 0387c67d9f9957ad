# SPDX-License-Identifier: Apache-2.0
"""What a server makes of every code of a character set: lines "CODE UTF-8" in hexadecimal, as
tests/unit/charset_codes.c prints of what fastlane makes of them."""

import itertools

ANY, HIGH = (0, 0xFF), (0x80, 0xFF)
GB_LEAD, DIGIT = (0x81, 0xFE), (0x30, 0x39)
TAIL = (0x80, 0xC0)
TWO = [(ANY,), (HIGH, ANY)]
JAPAN = TWO + [((0x8F, 0x8F), HIGH, ANY)]
UTF8 = TWO + [((0xE0, 0xEF), TAIL, TAIL)]

# Character set -> the shapes of its codes, a range for each byte. What has no place here is of one
# byte. Somewhat more than the valid codes, since the others are to be refused.
SHAPES = {
    "big5": TWO, "sjis": TWO, "cp932": TWO, "euckr": TWO, "gb2312": TWO, "gbk": TWO,
    "ujis": JAPAN, "eucjpms": JAPAN,
    "gb18030": TWO + [(GB_LEAD, DIGIT, GB_LEAD, DIGIT)],
    "utf8": UTF8, "utf8mb3": UTF8,
    "utf8mb4": UTF8 + [((0xF0, 0xF4), TAIL, TAIL, TAIL)],
    "ucs2": [(ANY, ANY)],
    "utf16": [(ANY, ANY), ((0xD8, 0xDB), ANY, (0xDC, 0xDF), ANY)],
    "utf16le": [(ANY, ANY), (ANY, (0xD8, 0xDB), ANY, (0xDC, 0xDF))],
    "utf32": [((0, 0), (0, 0x11), ANY, ANY)],
}


def shapes(charset):
    return SHAPES.get(charset, [(ANY,)])


def offered(server):
    """The names of the character sets that the server has; binary is none."""
    return sorted({row[0] for row in server.run("SHOW CHARACTER SET")} - {"binary"})


def prepare(cursor):
    """To be done once in a session, in a database."""
    cursor.execute("SET SESSION group_concat_max_len = 100000000, max_error_count = 0")
    for name in "ab":
        cursor.execute("CREATE TEMPORARY TABLE byte_%s (c binary(1) PRIMARY KEY)" % name)
        cursor.execute("INSERT INTO byte_%s VALUES %s" % (
            name, ",".join("(x'%02x')" % octet for octet in range(256))))


def blocks(shape):
    """What stands before the last two bytes."""
    return [bytes(prefix) for prefix in itertools.product(
        *(range(first, last + 1) for first, last in shape[:-2]))]


def is_one_character(octets):
    lead = octets[:1]
    size = 2 if lead < "8" else 4 if lead < "E" else 6 if lead == "E" else 8
    return octets and len(octets) == size


def is_surrogate(octets):
    """Some servers convert lone surrogates, which are no characters and have no place in UTF-8."""
    return octets.startswith("ED") and octets[2] >= "A"


def mapped(cursor, charset, shape):
    """The lines of a shape's codes, sorted. A code for which the server has no character, or which
    it takes for something else than one code, has none."""
    cursor.execute("SELECT HEX(CONVERT('?' USING %s))" % charset)
    question = cursor.fetchall()[0][0]
    tables = ("a", "b")[-len(shape):]
    where = " AND ".join(
        "%s.c BETWEEN x'%02x' AND x'%02x'" % (table, *limits)
        for table, limits in zip(tables, shape[-2:]))
    found = []
    for prefix in blocks(shape):
        code = "CONCAT(x'%s', %s)" % (prefix.hex(), ", ".join(table + ".c" for table in tables))
        text = "CONVERT(%s USING %s)" % (code, charset)
        # What is not valid is replaced, cut off or NULL.
        cursor.execute(
            "SELECT GROUP_CONCAT(IF(LENGTH(%s) = %d, CONCAT(HEX(%s), ' ', HEX(CONVERT(%s USING "
            "utf8mb4))), NULL)) FROM %s WHERE %s" % (
                text, len(shape), code, text,
                " JOIN ".join("byte_%s %s" % (table, table) for table in tables), where))
        lines = cursor.fetchall()[0][0]
        for line in lines.split(",") if lines else ():
            octets, character = line.split(" ")
            if is_one_character(character) and not is_surrogate(character) and (
                    character != "3F" or octets == question):
                found.append(line)
    return sorted(found)
