# SPDX-License-Identifier: Apache-2.0
"""What a reader of the stream can know of a DDL statement without running it.

Only the verb and the names are read. Whatever is not understood comes out as an effect on any table:
its rows have to be looked up anew."""

import re

TOKEN = re.compile(
    r"""`((?:[^`]|``)*)` | "((?:[^"]|"")*)" | ('(?:[^'\\]|\\.|'')*') | ([\w$\x80-\U0010ffff]+) | (\S)""",
    re.DOTALL | re.VERBOSE)
# Texts, which may look like comments; comments that servers execute; other comments.
COMMENT = re.compile(
    r"""('(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`)"""
    r"""|/\*M?![0-9]*(.*?)\*/|/\*.*?\*/|\#[^\n]*|--(?=\s)[^\n]*""", re.DOTALL)

# Statements that leave all rows as they are.
HARMLESS = re.compile(
    r"(CREATE|DROP|ALTER) (OR REPLACE )?(DEFINER = \S+( @ \S+)? |ALGORITHM = \w+ "
    r"|SQL SECURITY \w+ |AGGREGATE |UNIQUE |FULLTEXT |SPATIAL |OFFLINE |ONLINE )*"
    r"(INDEX|VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT|USER|ROLE|SERVER|TEMPORARY)\b"
    r"|(CREATE|ALTER) (OR REPLACE )?(DATABASE|SCHEMA)\b"
    r"|(GRANT|REVOKE|ANALYZE|OPTIMIZE|REPAIR|CHECK|FLUSH|SET|RENAME USER|INSTALL|UNINSTALL)\b")
# Parts of an ALTER TABLE that do the same.
HARMLESS_PART = re.compile(
    r"(ADD|DROP) (UNIQUE |FULLTEXT |SPATIAL )?(INDEX|KEY)\b|ADD UNIQUE\b"
    r"|(ADD|DROP) (CONSTRAINT|FOREIGN|CHECK)\b|RENAME (INDEX|KEY)\b|COMMENT\b|AUTO_INCREMENT\b"
    r"|ALGORITHM\b|LOCK\b|ALTER (INDEX|KEY)\b|(DISABLE|ENABLE) KEYS\b")
UNIMPORTANT = ("IF", "NOT", "EXISTS", "WAIT", "NOWAIT", "ONLINE", "IGNORE", "OFFLINE")


class Effect:
    """`kind`: make, sequence (a table of one row, which each insert replaces), drop, rename, alter
    (values may be others), rekey (keys too), drop_db, nothing or anything."""

    def __init__(self, kind, db="", table="", to=None, keeps=False):
        self.kind, self.db, self.table, self.to, self.keeps = kind, db, table, to, keeps


class Token:
    def __init__(self, match):
        tick, quote, self.text, word, other = match.groups()
        self.name = (tick.replace("``", "`") if tick is not None
                     else quote.replace('""', '"') if quote is not None else word)
        self.word = (word or other or "").upper()


def tokens(sql):
    plain = COMMENT.sub(lambda match: match[1] or " %s " % (match[2] or ""), sql)
    return [Token(match) for match in TOKEN.finditer(plain)]


class Reader:
    def __init__(self, sql, db):
        self.tokens, self.db, self.at = tokens(sql), db, 0

    def peek(self, ahead=0):
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def word(self, ahead=0):
        token = self.peek(ahead)
        return token.word if token else ""

    def take(self, *words):
        """Passes over the words if they come next."""
        if [self.word(n) for n in range(len(words))] == list(words):
            self.at += len(words)
            return True
        return False

    def skip(self, words=UNIMPORTANT):
        seen = set()
        while self.word() in words:
            seen.add(self.word())
            self.at += 1
            if self.word().isdigit():  # WAIT n
                self.at += 1
        return seen

    def name(self):
        """db.table or table: the two names."""
        token = self.peek()
        if token is None or token.name is None:
            raise ValueError("no name")
        self.at += 1
        if self.take("."):
            second = self.peek()
            if second is None or second.name is None:
                raise ValueError("no name")
            self.at += 1
            return token.name, second.name
        return self.db, token.name

    def parts(self):
        """What is left, cut at the commas outside of parentheses: lists of tokens."""
        depth, found = 0, [[]]
        for token in self.tokens[self.at:]:
            depth += (token.word == "(") - (token.word == ")")
            if token.word == "," and depth == 0:
                found.append([])
            else:
                found[-1].append(token)
        return [part for part in found if part]


def effects(sql, db, keys=lambda db, table: ()):
    """What the statement does to tables; `keys` tells the columns of a table's primary key."""
    reader = Reader(sql, db)
    shown = " ".join(token.word or "x" for token in reader.tokens[:16])
    if HARMLESS.match(shown):
        return [Effect("nothing")]
    try:
        return read(reader, keys)
    except ValueError:
        return [Effect("anything")]


def read(reader, keys):
    if reader.take("DROP", "DATABASE") or reader.take("DROP", "SCHEMA"):
        reader.skip()
        return [Effect("drop_db", db=reader.name()[1])]
    if any(reader.take("DROP", word) for word in ("TABLE", "TABLES", "SEQUENCE")):
        reader.skip()
        found = [Effect("drop", *reader.name())]
        while reader.take(","):
            found.append(Effect("drop", *reader.name()))
        return found
    if reader.take("RENAME", "TABLE") or reader.take("RENAME", "TABLES"):
        return renames(reader)
    if reader.take("CREATE", "TABLE") or reader.take("CREATE", "OR", "REPLACE", "TABLE"):
        seen = reader.skip()
        return [Effect("make", *reader.name(), keeps="EXISTS" in seen)]
    if reader.take("CREATE", "SEQUENCE") or reader.take("CREATE", "OR", "REPLACE", "SEQUENCE"):
        seen = reader.skip()
        return [Effect("sequence", *reader.name(), keeps="EXISTS" in seen)]
    if reader.take("ALTER", "SEQUENCE"):
        reader.skip()
        return [Effect("rekey", *reader.name())]
    if reader.word() == "ALTER":
        reader.at += 1
        reader.skip()
        if reader.take("TABLE"):
            reader.skip()
            return alter(reader, reader.name(), keys)
    raise ValueError("not known")


def renames(reader):
    found = []
    reader.skip()
    while True:
        source = reader.name()
        reader.skip()
        if not reader.take("TO"):
            raise ValueError("no TO")
        found.append(Effect("rename", *source, to=reader.name()))
        if not reader.take(","):
            return found


def alter(reader, table, keys):
    found = []
    for part in reader.parts():
        shown = " ".join(token.word or "x" for token in part[:4])
        if shown.startswith("RENAME") and not re.match("RENAME (COLUMN|INDEX|KEY)", shown):
            inner = Reader("", reader.db)
            inner.tokens = part[1:]
            if inner.word() in ("TO", "AS", "="):
                inner.at += 1
            found.append(Effect("rename", *table, to=inner.name()))
        elif not HARMLESS_PART.match(shown):
            named = {token.name.lower() for token in part if token.name is not None}
            touches = "primary" in named or re.search(r"\bPARTITION", shown) or any(
                key.lower() in named for key in keys(*table))
            found.append(Effect("rekey" if touches else "alter", *table))
    # The rename comes last, whatever the order.
    return sorted(found, key=lambda effect: effect.kind == "rename") or [Effect("nothing")]
