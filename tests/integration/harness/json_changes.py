# SPDX-License-Identifier: Apache-2.0
"""Random JSON documents and random changes of them, as MySQL's SQL."""

import json

NAMES = ["a", "b", "f", "a b", "é", 'q"x', "", "$", "1x", "a.b[0]", "back\\slash", "k" * 300, "line\nbreak"]

SCALARS = [
    "NULL", "1", "-32768", "65535", "70000", "-2147483649", "18446744073709551615", "1.5e0", "1e100",
    "CAST('12.3400' AS DECIMAL(10,4))", "CAST('2024-02-29 01:02:03.5' AS DATETIME(6))",
    "CAST('2024-02-29' AS DATE)", "CAST('-12:34:56' AS TIME)", "CAST(true AS JSON)",
    "CAST(false AS JSON)", "''", "'text'", "'é😀 \"quoted\" \\\\ \\n'", "REPEAT('x', 200)",
    "x'00ff'", "CAST('null' AS JSON)",
]


def quoted(text):
    """As an SQL literal."""
    return "'%s'" % text.replace("\\", "\\\\").replace("'", "\\'")


def value(chance, depth=3):
    """An expression of some document."""
    kind = chance.random()
    if depth == 0 or kind < 0.6:
        return chance.choice(SCALARS)
    parts = [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind < 0.8:
        return "JSON_ARRAY(%s)" % ", ".join(parts)
    names = chance.sample(NAMES, len(parts))
    return "JSON_OBJECT(%s)" % ", ".join("%s, %s" % (quoted(n), p) for n, p in zip(names, parts))


def document(chance, padding):
    """One with room for changes; over 64 KB in the large format."""
    members = ", ".join("%s, %s" % (quoted(n), value(chance)) for n in chance.sample(NAMES, 5))
    return "JSON_OBJECT(%s, 'list', JSON_ARRAY(1, 2, 3, 4), 'pad', REPEAT('p', %d))" % (
        members, padding)


def leg(chance, at):
    """A step from a parsed document: often to something that is there."""
    if isinstance(at, dict) and chance.random() < 0.9:
        name = chance.choice(list(at) + NAMES)
        return "." + json.dumps(name, ensure_ascii=chance.random() < 0.5), at.get(name)
    size = len(at) if isinstance(at, list) else 1
    number = chance.randrange(size + 2)
    if chance.random() < 0.3:
        place = size - 1 - number
        text = "[last]" if number == 0 else "[last-%d]" % number
    else:
        place, text = number, "[%d]" % number
    inside = isinstance(at, list) and 0 <= place < size
    return text, at[place] if inside else at if place == 0 else None


def path(chance, at, least=0):
    text = "$"
    for number in range(5):
        if number >= least and (at is None or chance.random() < 0.3):
            break
        step, at = leg(chance, at)
        text += step
    return text


# The first three are logged as changes, if all of a column's are such.
FUNCTIONS = ["JSON_SET"] * 4 + ["JSON_REPLACE", "JSON_REMOVE", "JSON_REMOVE"]
OTHER_FUNCTIONS = ["JSON_INSERT", "JSON_ARRAY_APPEND", "JSON_ARRAY_INSERT"]


def change(chance, column, text):
    """An assignment that changes a column whose document is `text`."""
    at = json.loads(text) if text is not None else None
    expression = "`%s`" % column
    functions = FUNCTIONS if chance.random() < 0.9 else FUNCTIONS + OTHER_FUNCTIONS
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        name = chance.choice(functions)
        arguments = []
        for _ in range(chance.choice([1, 1, 2, 3])):
            where = path(chance, at, 0 if name in ("JSON_SET", "JSON_REPLACE") else 1)
            if name == "JSON_ARRAY_INSERT":
                where += "[%d]" % chance.randrange(3)
            arguments.append(quoted(where))
            if name != "JSON_REMOVE":
                arguments.append(value(chance, 2))
        expression = "%s(%s, %s)" % (name, expression, ", ".join(arguments))
    return "`%s` = %s" % (column, expression)
