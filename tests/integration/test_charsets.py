# SPDX-License-Identifier: Apache-2.0
"""Text in every character set of the source arrives as the source itself converts it."""

import os
import random
import subprocess
import time

import pytest
from pymysql.constants import COMMAND

from harness import charsets
from harness.daemon import BUILD, ENVIRONMENT
from harness.tables import Column, Table

CODES = os.path.join(BUILD, "tests", "unit", "charset_codes")

# What Python calls the character sets that it has other names for.
PYTHON = {"latin1": "cp1252", "latin2": "iso8859-2", "greek": "iso8859-7", "ujis": "euc_jp",
          "koi8r": "koi8-r", "utf8mb4": "utf-8", "sjis": "shift_jis",
          "euckr": "cp949"}


def ours(charset, shape):
    done = subprocess.run(
        [CODES, charset, *("%02x-%02x" % limits for limits in shape)], env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, "%s: text and JSON differ\n%s" % (charset, done.stderr)
    return done.stdout.split("\n")[:-1]


@pytest.mark.source
def test_every_code_is_what_the_server_makes_of_it(source, db, figures):
    source.run("CREATE DATABASE `%s`" % db)
    names = charsets.offered(source)
    count = 0
    wrong = []
    started = time.monotonic()
    with source.connect(db) as connection, connection.cursor() as cursor:
        charsets.prepare(cursor)
        for name in names:
            for shape in charsets.shapes(name):
                expected = charsets.mapped(cursor, name, shape)
                got = ours(name, shape)
                assert len(set(got)) == len(got)
                wrong += [(name, *line) for line in set(expected) ^ set(got)]
                count += len(expected)
        assert count > 100 * len(names)
    assert not wrong, "%d codes differ: %s" % (len(wrong), sorted(wrong)[:40])
    figures("%d character sets, %d codes compared, 0 differences, %.0f s" % (
        len(names), count, time.monotonic() - started))


def codes_of(charset):
    """Code -> character: all of one and two bytes, and of the longer ones some."""
    found = {}
    for shape in charsets.shapes(charset):
        some = [(first, min(first + 1, last)) for first, last in shape[:-2]] + list(shape[-2:])
        lines = (line.split(" ") for line in ours(charset, some))
        found.update((bytes.fromhex(code), bytes.fromhex(text).decode()) for code, text in lines)
    return found


class Letters:
    """Draws texts of a character set, as literals of SQL."""

    def __init__(self, charset, random):
        self.charset, self.random = charset, random
        self.codes = codes_of(charset)
        by_text = {text: code for code, text in self.codes.items()}
        self.space = by_text[" "]
        odd = [code for code in self.codes if len(code) > 1 and code[-1] in b"\"\\`|{}[]@~ \n'"]
        plain = [by_text[text] for text in "aZ09\"\\'\n\t\0 " if text in by_text]
        others = sorted(self.codes)
        self.groups = [group for group in (odd, plain, others) if group]

    def octets(self, most):
        return b"".join(self.random.choice(self.random.choice(self.groups))
                        for _ in range(self.random.randint(0, most)))

    def literal(self, octets):
        return "_%s x'%s'" % (self.charset, octets.hex())

    def edges(self):
        letter = sorted(self.codes)[-1]
        return [self.literal(octets) for octets in (
            b"", self.space, self.space * 3, letter, letter + self.space, self.space + letter,
            letter + self.space * 2 + letter + self.space, letter * 10, self.octets(8) + self.space)]

    def labels(self, count):
        """Texts for ENUM and SET: no comma, no blank at the end, nothing above U+FFFF."""
        letters = {text for text in self.codes.values()
                   if "\u00a0" < text <= "\uffff" and text.isalpha()} or set("abcdefgh")
        odd = [text for text in map(self.codes.get, self.groups[0]) if text in letters]
        letters = sorted(letters)
        labels = set()
        while len(labels) < count:
            labels.add(self.random.choice(odd or letters) + self.random.choice(letters))
        return sorted(labels)


def table_of(db, charset, random):
    letters = Letters(charset, random)
    sql = " CHARACTER SET %s COLLATE %s_bin" % (charset, charset)

    def column(name, kind, most):
        return Column(name, kind + sql, "text", letters.edges(),
                      lambda _: letters.literal(letters.octets(most)))

    def labels(name, kind, count):
        texts = letters.labels(count)
        return Column(name, "%s(%s)%s" % (kind, ",".join("'%s'" % t for t in texts), sql), "text",
                      [str(n) for n in range(1, count + 1)])

    return Table(db, "t_" + charset, [
        Column("id", "int", "int", nullable=False),
        column("c", "char(10)", 10), column("wide", "char(200)", 200),
        column("v", "varchar(40)", 40), column("t", "text", 300), column("l", "longtext", 6000),
        labels("e", "enum", 3), labels("s", "set", 3),
    ])


@pytest.mark.source
@pytest.mark.parametrize("metadata", ["full", "least"])
def test_columns_of_every_charset_arrive(source, metadata, rig, db, figures):
    seed = 4711
    chance = random.Random(seed)
    if metadata == "least":
        source.set_global(binlog_row_metadata="'%s'" % source.least_metadata)
    tables = [table_of(db, name, chance) for name in charsets.offered(source)]
    r = rig(source, tables)
    r.daemon.start()
    with source.connect(db) as connection, connection.cursor() as cursor:
        for table in tables:
            for number in range(40):
                cursor.execute("INSERT INTO `%s` VALUES (%d, %s)" % (table.name, number, ", ".join(
                    column.edges[number % len(column.edges)] if number < 10
                    else column.literal(chance) for column in table.columns[1:])))
    r.settle()
    rows, values = r.compare()
    r.daemon.stop()
    figures("seed %d, %d tables, %d rows, %d values compared, 0 differences" % (
        seed, len(tables), rows, values))


@pytest.mark.source
def test_keys_are_filled_from_every_charset(source, rig, db):
    chance = random.Random(4711)
    names = charsets.offered(source)
    tables = [Table(db, "t_" + name, [
        Column("k", "varchar(10) CHARACTER SET %s COLLATE %s_bin" % (name, name), "text",
               nullable=False),
    ], key=("k",)) for name in names]
    r = rig(source, tables)
    r.daemon.start()
    expected = set()
    for name, table in zip(names, tables):
        letters = Letters(name, chance)
        rows = {letters.octets(4) for _ in range(20)}
        source.run("INSERT IGNORE INTO `%s` VALUES %s" % (
            table.name, ",".join("(%s)" % letters.literal(row) for row in sorted(rows))),
            database=db)
        expected |= {table.cache_key({"k": row[0]}) for row in source.run(
            "SELECT k FROM `%s`" % table.name, database=db)}
    r.settle()
    assert len(expected) > 10 * len(names)
    assert {key.decode() for key in r.redis.scan_iter("t_*", count=1000)} == expected
    source.run(*("DELETE FROM `%s`" % table.name for table in tables), database=db)
    r.settle()
    assert not list(r.redis.scan_iter("t_*", count=1000))
    r.daemon.stop()


def test_what_the_server_shows_as_a_question_mark_is_a_doubt(source, rig, db):
    table = Table(db, "polish", [
        Column("id", "int", "int", nullable=False),
        Column("name", "varchar(20) CHARACTER SET cp1250", "text"),
    ])
    r = rig(source, [table])
    r.daemon.start()
    source.run("INSERT INTO polish VALUES (1, 'Ł'), (2, 'ś')", database=db)
    r.settle()
    assert r.redis.get("polish:1") == '{"id":1,"name":"Ł"}'.encode()
    source.run("UPDATE polish SET name = _cp1250 x'81' WHERE id = 1", database=db)
    assert source.run("SELECT name FROM polish WHERE id = 1", database=db) == (("?",),)
    r.settle()
    assert not r.redis.exists("polish:1") and r.memcached.get("polish:1") is None
    assert r.redis.exists("polish:2")
    assert "polish.name: not a valid value of its type" in r.daemon.log
    r.daemon.stop()


@pytest.mark.parametrize("metadata", ["full", "least"])
def test_labels_that_information_schema_can_not_show(source, metadata, rig, db):
    """It has a question mark for a character above U+FFFF: without the log's own labels, one that
    has a question mark is not certain."""
    if metadata == "least":
        source.set_global(binlog_row_metadata="'%s'" % source.least_metadata)
    table = Table(db, "moods", [
        Column("id", "int", "int", nullable=False),
        Column("e", "enum('fine','😀','really?') CHARACTER SET utf8mb4", "text"),
        Column("s", "set('fine','😀','really?') CHARACTER SET utf8mb4", "text"),
    ])
    r = rig(source, [table])
    r.daemon.start()
    source.run("INSERT INTO moods VALUES (1, 1, 1)", "INSERT INTO moods VALUES (2, 2, 1)",
               "INSERT INTO moods VALUES (3, 1, 3)", "INSERT INTO moods VALUES (4, 3, 4)",
               database=db)
    r.settle()
    if ("binlog_row_metadata", "FULL") in source.run("SHOW VARIABLES LIKE 'binlog_row_metadata'"):
        r.compare()
    else:
        assert r.redis.get("moods:1") == b'{"id":1,"e":"fine","s":"fine"}'
        assert sorted(r.redis.scan_iter("moods:*")) == [b"moods:1"]
    r.daemon.stop()


# A client's character set, and a name: in some, with bytes that are ` or \ where they stand alone.
NAMES = [("sjis", "表ソ十予"), ("cp932", "表①"), ("gbk", "乗你"), ("cp1251", "таблица"),
         ("big5", "功許蓋"), ("latin2", "łąka"), ("euckr", "갂한"), ("ujis", "表丂"),
         ("koi8r", "яЯ"), ("gb18030", "乗你"), ("greek", "πίνακας"), ("latin1", "é"),
         ("utf8mb4", "é表")]

# What clears a table's keys, and whether those of no other table.
STATEMENTS = [
    ("TRUNCATE `%s`", True), ("TRUNCATE TABLE /* `%s` */ %s", True), ("DROP TABLE `%s`", False),
    ("ALTER TABLE `%s` ADD x int", False), ("RENAME TABLE `%s` TO elsewhere", False),
]


def send(connection, statement, charset):
    """As a client does that uses this character set."""
    connection._execute_command(COMMAND.COM_QUERY, statement.encode(PYTHON.get(charset, charset)))
    connection._read_query_result()


@pytest.mark.parametrize("charset, name", NAMES, ids=[charset for charset, _ in NAMES])
def test_names_in_statements_are_read_in_the_clients_charset(source, rig, db, charset, name):
    if charset not in charsets.offered(source):
        assert charset == "gb18030"
        charset = "gbk"
    r = rig(source, [], maps={"all": {"table": db + ".*", "key": "{table}:{id}"}})
    source.run("CREATE TABLE other (id int PRIMARY KEY)", database=db)
    r.daemon.start()
    with source.connect(db) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION character_set_client = %s" % charset)
        for number, (statement, precise) in enumerate(STATEMENTS):
            table = "%s%d" % (name, number)
            source.run("CREATE TABLE `%s` (id int PRIMARY KEY)" % table,
                       "INSERT INTO `%s` VALUES (1)" % table,
                       "INSERT INTO other VALUES (%d)" % number, database=db)
            r.settle()
            assert r.redis.exists("%s:1" % table)
            assert r.redis.exists("other:%d" % number)
            send(connection, statement.replace("%s", table), charset)
            r.settle()
            assert not r.redis.exists("%s:1" % table), statement
            assert r.memcached.get("%s:1" % table) is None, statement
            assert r.redis.exists("other:%d" % number) or not precise, statement
    r.daemon.stop()
