# SPDX-License-Identifier: Apache-2.0
"""Row images that are not whole: partial JSON updates, and binlog_row_image other than FULL."""

import json
import random
import re

import pytest

from harness import caches, json_changes
from harness.tables import Column, Table, compare, parse

UPDATES = 300
ROWS = 12


class Made(Table):
    """A table whose CREATE TABLE is written out."""

    def __init__(self, db, name, columns, body, key=("id",)):
        super().__init__(db, name, columns, key)
        self.body = body

    def create(self):
        return "CREATE TABLE `%s`.`%s` (%s)" % (self.db, self.name, self.body)


def json_table(db, name, more=""):
    return Made(db, name, [
        Column("id", "int", "int", nullable=False), Column("doc", "json", "json"),
        Column("n", "int", "int"), Column("other", "json", "json"), Column("body", "text", "text"),
        Column("ga", "json", "json"), Column("gs", "varchar(200)", "text")],
        "id int NOT NULL, doc json, n int, other json, body text, "
        "ga json GENERATED ALWAYS AS (JSON_EXTRACT(doc, '$.a')) VIRTUAL, "
        "gs varchar(200) GENERATED ALWAYS AS (LEFT(JSON_LENGTH(doc), 200)) STORED" + more)


def events(source, kind, start):
    """How many of them the binary log has from FILE:POS on; only the last file is looked at."""
    file, position = start.split(":")
    rows = source.run("SHOW BINLOG EVENTS IN '%s' FROM %s" % (file, position))
    return sum(row[2] == kind for row in rows)


def insert(cursor, chance, table, number):
    cursor.execute("INSERT INTO %s (id, doc, n, other, body) VALUES (%d, %s, 0, %s, 'b')" % (
        table, number, json_changes.document(chance, chance.choice([10, 200, 70000])),
        json_changes.document(chance, 100)))


def update(cursor, chance, table):
    """A random change of one or more rows."""
    where = chance.choice(["id = %d" % chance.randrange(ROWS), "id %% 4 = %d" % chance.randrange(4)])
    cursor.execute("SELECT CAST(doc AS CHAR), CAST(other AS CHAR) FROM %s WHERE %s LIMIT 1" % (table, where))
    doc, other = cursor.fetchone()
    kind = chance.random()
    if kind < 0.03:
        parts = ["doc = NULL"]
    elif kind < 0.12 or doc is None:
        parts = ["doc = " + json_changes.document(chance, chance.choice([10, 200, 70000]))]
    elif kind < 0.2:
        parts = ["n = %d" % chance.randrange(1000)]
    else:
        parts = [json_changes.change(chance, "doc", doc)]
    if other is None or chance.random() < 0.05:
        parts.append("other = " + json_changes.document(chance, 100))
    elif chance.random() < 0.3:
        parts.append(json_changes.change(chance, "other", other))
    if chance.random() < 0.2:
        parts.append("n = COALESCE(n, 0) + 1")
    if chance.random() < 0.1:
        parts.append("body = 'body %d'" % chance.randrange(1000))
    cursor.execute("UPDATE %s SET %s WHERE %s" % (table, ", ".join(parts), where))


def work(cursor, chance, table):
    """A transaction, or one that is undone in part or in whole."""
    kind = chance.random()
    if kind < 0.6:
        update(cursor, chance, table)
        return
    if kind < 0.7:
        number = chance.randrange(ROWS)
        cursor.execute("DELETE FROM %s WHERE id = %d" % (table, number))
        insert(cursor, chance, table, number)
        return
    cursor.execute("BEGIN")
    update(cursor, chance, table)
    if kind < 0.8:
        cursor.execute("SAVEPOINT s")
        update(cursor, chance, table)
        cursor.execute("ROLLBACK TO s")
    update(cursor, chance, table)
    cursor.execute("ROLLBACK" if kind > 0.9 else "COMMIT")


@pytest.mark.source
@pytest.mark.parametrize("image", ["FULL", "MINIMAL", "NOBLOB"])
def test_partial_json_updates_give_the_documents_of_the_database(mysql, image, rig, db, figures):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    # Without a key an image before has all columns, so that nothing is unknown.
    keyed, keyless = json_table(db, "keyed", ", PRIMARY KEY (id)"), json_table(db, "keyless")
    r = rig(mysql, [keyed, keyless], on_doubt="halt" if image == "FULL" else "delete")
    mysql.run("FLUSH BINARY LOGS")
    start = mysql.file_position()
    r.daemon.start()
    values = 0
    with mysql.connect(db) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION binlog_row_value_options = 'PARTIAL_JSON', "
                       "binlog_row_image = '%s'" % image)
        for table in r.tables:
            for number in range(ROWS):
                insert(cursor, chance, table, number)
        for _ in range(3):
            for _ in range(UPDATES // 3):
                work(cursor, chance, chance.choice(list(r.tables)))
            r.settle()
            values += r.compare(sinks=("hot", "pool"), all_there=image == "FULL")[1]
    assert len(caches.in_redis(r.redis, keyless)) == ROWS
    for table in (keyed, keyless):
        torn = table is keyed and image != "FULL"
        counted = compare(table, mysql, replay(r, table, ("ga", "gs") if torn else (), torn), not torn)
        assert not counted[2], counted[2]
        values += counted[1]
    partial = events(mysql, "Update_rows_partial", start)
    assert partial > UPDATES // 3, "only %d partial updates, seed %d" % (partial, seed)
    r.daemon.stop()
    figures("seed %d, %d partial updates, %d values compared" % (seed, partial, values))


DERIVED = ("sum", "kept", "label")


def images_of(source):
    """What binlog_row_image can be."""
    if source.flavour == "mysql":
        return ["FULL", "MINIMAL", "NOBLOB"]
    return source.value("SELECT enum_value_list FROM information_schema.system_variables "
                        "WHERE variable_name = 'binlog_row_image'").split(",")


def plain_tables(db, image):
    """With a key, and without, so that the images before are whole; without generated columns, and
    with."""
    columns = [
        Column("id", "int", "int", nullable=False), Column("a", "int", "int"),
        Column("v", "varchar(50)", "text"), Column("big", "text", "text"),
        Column("raw", "blob", "binary"), Column("at", "timestamp(6)", "text", nullable=False),
        Column("count", "int", "int")]
    generated = [
        Column("sum", "int", "int"), Column("kept", "int", "int"), Column("label", "text", "text")]
    body = (
        "id int, a int, v varchar(50), big text, `raw` blob, "
        "at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), "
        "count int DEFAULT 0")
    more = (
        ", `sum` int GENERATED ALWAYS AS (a + 1) VIRTUAL, kept int GENERATED ALWAYS AS (a * 2) STORED, "
        "label text GENERATED ALWAYS AS (CONCAT(big, '!')) VIRTUAL")
    unique = ", UNIQUE (id)"  # of a column that may be NULL: no key of a row, but REPLACE uses it
    image = image.lower()
    return [
        Made(db, "keyed_" + image, columns, body + ", PRIMARY KEY (id)"),
        Made(db, "keyless_" + image, columns, body + unique),
        Made(db, "derived_" + image, columns + generated, body + more + ", PRIMARY KEY (id)"),
        Made(db, "bare_" + image, columns + generated, body + more + unique)]


def change_plain(cursor, chance, table):
    number = chance.randrange(ROWS)
    kind = chance.random()
    if kind < 0.15:
        cursor.execute("DELETE FROM `%s` WHERE id = %d" % (table, number))
        cursor.execute("INSERT INTO `%s` (id, a, v, big, `raw`, count) VALUES (%d, 1, 'x', 'y', x'00', 3)" % (
            table, number))
        return
    if kind < 0.2:
        # What is not given has its default, and is not in a minimal image.
        cursor.execute("DELETE FROM `%s` WHERE id = %d" % (table, number))
        cursor.execute("INSERT INTO `%s` (id, a) VALUES (%d, %d)" % (table, number, chance.randrange(9)))
        return
    if kind < 0.3 and not table.startswith(("keyed", "derived")):
        cursor.execute("REPLACE INTO `%s` (id, a) VALUES (%d, %d)" % (table, number, chance.randrange(9)))
        return
    new = {
        "a": chance.choice(["NULL", "a", str(chance.randrange(100))]),
        "v": chance.choice(["NULL", "v", "'%s'" % ("v" * chance.randrange(50))]),
        "big": chance.choice(["NULL", "REPEAT('b', %d)" % chance.randrange(1000)]),
        "`raw`": chance.choice(["NULL", "x'00ff'", "REPEAT('r', %d)" % chance.randrange(1000)]),
    }
    some = chance.sample(list(new), chance.randrange(1, 4))
    cursor.execute("UPDATE `%s` SET %s WHERE id %% 5 = %d" % (
        table, ", ".join("%s = %s" % (name, new[name]) for name in some), number % 5))


def replay(r, table, derived=(), torn=False):
    """What the lines come to where a column that an update's row is without is as it was, but for
    derived ones, and one that an insert's is without is not known: cache key -> parsed row. `torn`:
    there may be doubts about documents of which only changes are known; only what came after the
    last one is known then, as far as it is whole."""
    rows = {}
    with open(r.daemon.out, "rb") as file:
        changes = [parse(line) for line in file]
    for line in changes:
        if line["table"] != table.name:
            continue
        if "doubt" in line and torn:
            assert "a JSON document was changed in part, and what it was is not in the log" in line["doubt"]
            rows.clear()
            continue
        assert "doubt" not in line, line
        if "row" not in line:
            continue
        key = table.cache_key(line["row"])
        before = rows.pop(table.cache_key({**line["row"], **line.get("old", {})}), {})
        assert not line.get("old") or line["old"].keys() <= line["row"].keys(), line
        if line["op"] != "delete" and (before or line["op"] == "insert" or not torn):
            kept = {name: value for name, value in before.items() if name not in derived}
            rows[key] = {**kept, **line["row"]}
    if torn:
        rows = {key: row for key, row in rows.items() if len(row) == len(table.columns)}
    return rows


@pytest.mark.source
def test_what_an_image_lacks_is_taken_from_the_other_or_costs_the_key(source, rig, db, figures):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    images = images_of(source)
    tables = {image: plain_tables(db, image) for image in images}
    r = rig(source, sum(tables.values(), []), on_doubt="delete")
    for some in tables.values():
        source.run(*("CREATE TRIGGER %s_counts BEFORE UPDATE ON %s FOR EACH ROW SET NEW.count = OLD.count + 1"
                     % (table.name, table.name) for table in some[1:3]), database=db)
    r.daemon.start()
    with source.connect(db) as connection, connection.cursor() as cursor:
        for image in images:
            cursor.execute("SET SESSION binlog_row_image = '%s'" % image)
            for table in tables[image]:
                for number in range(ROWS):
                    cursor.execute(
                        "INSERT INTO %s (id, a, v, big, `raw`, count) VALUES (%d, 1, 'v', 'b', 'r', 0)" % (
                            table.name, number))
                for _ in range(60):
                    change_plain(cursor, chance, table.name)
    r.settle()
    r.compare(sinks=("hot", "pool"), all_there=False)
    # MariaDB 11.8 leaves generated columns out of the images of updates, full ones too.
    all_generated = "FULL_NODUP" not in images
    told = []
    for image in images:
        for table in tables[image]:
            expected, got = table.rows(source), replay(r, table, DERIVED)
            there = caches.in_redis(r.redis, table)
            assert there.keys() == caches.in_memcached(r.memcached, table, source).keys()
            if image.startswith("FULL") and (all_generated or table.name.startswith("key")):
                assert there.keys() == expected.keys(), table.name
            if table.name.startswith("keyless"):
                assert len(there) > ROWS // 2, table.name
            assert got.keys() == expected.keys()
            known = 0
            for key, row in got.items():
                assert key not in there or len(row) == len(table.columns)
                known += len(row)
                for column in table.columns:
                    if column.name in row:
                        assert column.same(expected[key][column.name], row[column.name]), (key, column.name, row)
            told.append("%s %d/%d" % (table.name, len(there), len(expected)))
    r.daemon.stop()
    figures("seed %d, keys there: %s" % (seed, ", ".join(told)))


def lines(r, table):
    """What stdout shows of a table's rows: op, key, row, old."""
    with open(r.daemon.out) as file:
        found = [json.loads(line) for line in file]
    return [(line["op"], line.get("key"), line.get("row"), line.get("old"))
            for line in found if line["table"] == table]


@pytest.mark.source
def test_stdout_shows_what_is_known_and_no_more(source, rig, db):
    table = Made(db, "t", [], "x int, y int, a int, b text, PRIMARY KEY (x, y)", key=("x", "y"))
    r = rig(source, [], maps={"t": table.rule()}, on_doubt="delete")
    source.run(table.create())
    r.daemon.start()
    source.run(
        "SET SESSION binlog_row_image = 'MINIMAL'",
        "INSERT INTO t (x, y, a) VALUES (1, 2, NULL)",
        "UPDATE t SET b = 'new'",
        "UPDATE t SET y = 3",
        "DELETE FROM t",
        "SET SESSION binlog_row_image = 'NOBLOB'",
        "INSERT INTO t (x, y, a, b) VALUES (1, 2, NULL, NULL)",
        "UPDATE t SET a = 5",
        "UPDATE t SET b = 'new'",
        "DELETE FROM t",
        database=db)
    r.settle()
    assert lines(r, "t") == [
        ("insert", {"x": 1, "y": 2}, {"x": 1, "y": 2, "a": None}, None),
        ("update", {"x": 1, "y": 2}, {"x": 1, "y": 2, "b": "new"}, {}),
        ("update", {"x": 1, "y": 3}, {"x": 1, "y": 3}, {"y": 2}),
        ("delete", {"x": 1, "y": 3}, {"x": 1, "y": 3}, None),
        ("insert", {"x": 1, "y": 2}, {"x": 1, "y": 2, "a": None, "b": None}, None),
        ("update", {"x": 1, "y": 2}, {"x": 1, "y": 2, "a": 5}, {"a": None}),
        ("update", {"x": 1, "y": 2}, {"x": 1, "y": 2, "a": 5, "b": "new"}, {}),
        ("delete", {"x": 1, "y": 2}, {"x": 1, "y": 2, "a": 5}, None),
    ]
    r.daemon.stop()


# What is done under a minimal image, and the column that is named.
LACKING = {
    "value of an update": ("UPDATE t SET a = 2", "t:{id}", "b"),
    "value of an insert": ("INSERT INTO t (id, b) VALUES (2, 'x')", "t:{id}", "a"),
    "key of an update": ("UPDATE t SET b = 'x'", "t:{a}", "a"),
    "key of a delete": ("DELETE FROM t", "t:{a}", "a"),
}


@pytest.mark.source
@pytest.mark.parametrize("what", LACKING)
@pytest.mark.parametrize("on_doubt", ["delete", "halt"])
def test_a_column_that_is_not_known_deletes_or_halts(source, what, on_doubt, rig, db):
    statement, key, column = LACKING[what]
    table = Made(db, "t", [], "id int PRIMARY KEY, a int, b varchar(20)")
    r = rig(source, [], maps={"t": table.rule(key=key)}, on_doubt=on_doubt)
    source.run(table.create(), "INSERT INTO t VALUES (1, 1, 'b')", database=db)
    r.daemon.start()
    r.settle()
    assert r.redis.exists("t:1") and r.memcached.get("t:1")
    r.redis.set("t:2", "read by somebody")
    source.run("SET SESSION binlog_row_image = 'MINIMAL'", statement, database=db)
    said = r"column %s is not in the row image" % column
    if on_doubt == "halt":
        for sink in ("hot", "pool"):
            r.daemon.wait_log(r"\[%s\] halted.*%s" % (sink, said))
        assert r.redis.exists("t:1") and r.memcached.get("t:1") and r.redis.exists("t:2")
        return
    r.settle()
    gone = "t:2" if "insert" in what else "t:1"
    assert not r.redis.exists(gone) and r.memcached.get(gone) is None
    assert re.search("warn.*" + said, r.daemon.log), r.daemon.log
    r.daemon.stop()


@pytest.mark.source
def test_images_that_are_not_whole_are_warned_of(source, rig, db):
    source.set_global(binlog_row_image="'MINIMAL'")
    r = rig(source, [])
    r.daemon.start()
    r.settle()
    r.daemon.stop()
    assert re.search("warn.*binlog_row_image is MINIMAL.*SET GLOBAL binlog_row_image = 'FULL'",
                     r.daemon.log), r.daemon.log
