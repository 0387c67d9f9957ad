# SPDX-License-Identifier: Apache-2.0
"""Every column type arrives as the database has it: a cell for each group of types, server and kind
of metadata, and the same again with the other client library."""

import os
import random

import pytest

from harness import caches
from harness.literals import offers
from harness.tables import Column, Table
from harness.types import GROUPS, table_of

RANDOM_ROWS = 40
SEED = os.environ.get("FASTLANE_SEED", "1")


def fill(cursor, table, chance):
    """Rows with every edge value of every column, random ones, and one of NULLs alone."""
    columns = [column for column in table.columns[1:] if not column.generated]
    count = max(len(column.edges) for column in columns)
    for number in range(count + RANDOM_ROWS):
        literals = {
            column.name: column.edges[number % len(column.edges)] if number < count
            else column.literal(chance)
            for column in columns
        }
        cursor.execute(table.insert({"id": str(number), **literals}))
    number = count + RANDOM_ROWS
    cursor.execute(table.insert({"id": str(number), **{c.name: "NULL" for c in columns}}))
    return number + 1


def change(cursor, table, count, chance):
    """A few columns of half of the rows, and a fourth of the rows go."""
    columns = [column for column in table.columns[1:] if not column.generated]
    for number in chance.sample(range(count), count // 2):
        some = chance.sample(columns, min(3, len(columns)))
        cursor.execute("UPDATE `%s`.`%s` SET %s WHERE id = %d" % (
            table.db, table.name,
            ", ".join("`%s` = %s" % (column.name, column.literal(chance)) for column in some),
            number))
    for number in chance.sample(range(count), count // 4):
        cursor.execute("DELETE FROM `%s`.`%s` WHERE id = %d" % (table.db, table.name, number))


# Not strict, so that zero and invalid dates can be stored.
SQL_MODE = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"


@pytest.mark.source
@pytest.mark.parametrize("metadata", ["full", "least"])
@pytest.mark.parametrize("group", GROUPS)
def test_values_arrive(any_source, group, metadata, rig, db, figures):
    source = any_source
    chance = random.Random("%s %s" % (SEED, group))
    if metadata == "least":
        source.set_least_metadata()
    table = table_of(group, db, source)
    r = rig(source, [table], **({"geometry": "geojson"} if group == "geojson" else {}))
    r.daemon.start()
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute(SQL_MODE)
        count = fill(cursor, table, chance)
        r.settle()
        rows, values = r.compare()
        same_text_everywhere(r)
        change(cursor, table, count, chance)
    r.settle()
    if group == "generated" and offers(source, mariadb=(11,)):
        # It logs no generated columns of what is updated or deleted, whatever the row image: the
        # keys of such rows are gone.
        more_rows, more_values = r.compare(sinks=("hot", "pool"), all_there=False)
        assert 0 < more_rows < rows
    else:
        more_rows, more_values = r.compare()
        same_text_everywhere(r)
    r.daemon.stop()
    figures("seed %s, %d rows, %d values compared, 0 differences" % (
        SEED, rows + more_rows, values + more_values))


def same_text_everywhere(r):
    with open(r.daemon.out, "rb") as file:
        written = file.read()
    for table in r.tables.values():
        values = caches.in_redis(r.redis, table)
        assert values and values == caches.in_memcached(r.memcached, table, r.source)
        for key, value in values.items():
            assert value in written, "%s: stdout has another text than Redis" % key


@pytest.mark.source
@pytest.mark.parametrize("metadata", ["full", "least"])
def test_a_label_that_the_schema_shows_wrongly_is_never_shown(any_source, metadata, rig, db):
    """information_schema has '?' for every character beyond U+FFFF."""
    source = any_source
    if metadata == "least":
        source.set_least_metadata()
    labels = "('a','漢😀','?') character set utf8mb4"
    table = Table(db, "labels", [
        Column("id", "int", "int", nullable=False),
        Column("e", "enum" + labels, "text"), Column("s", "set" + labels, "text")])
    r = rig(source, [table])
    r.daemon.start()
    source.run(*(table.insert({"id": str(n), "e": str(e), "s": str(s)})
                 for n, (e, s) in enumerate([(1, 1), (2, 1), (3, 0), (1, 6), (1, 0)])))
    r.settle()
    if metadata == "full" and source.least_metadata:
        r.compare()
    else:
        assert set(caches.in_redis(r.redis, table)) == {"labels:0", "labels:4"}
        r.compare(all_there=False)
        doubts = r.stream().doubts
        assert len(doubts) == 3 and all("'?'" in doubt for doubt in doubts), doubts
    r.daemon.stop()


@pytest.mark.source
@pytest.mark.parametrize("metadata", ["full", "least"])
def test_timestamps_are_in_utc_whatever_the_zone(any_source, start_server, metadata, rig, db,
                                                 monkeypatch):
    """A server in a zone with daylight saving time, and sessions in it and in others."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    source = start_server(type(any_source), "--default-time-zone=SYSTEM")
    if metadata == "least":
        source.set_least_metadata()
    table = Table(db, "times", [
        Column("id", "int", "int", nullable=False),
        Column("t", "timestamp(6)", "text"), Column("d", "datetime", "text")])
    r = rig(source, [table])
    r.daemon.start()
    # Beside the changes of 2024 at 05:30 and 04:30 UTC: both hours that are called 01:30, and the
    # hour that there is not.
    moments = [1, 1710048600, 1710048599, 1710048600.5, 1730608199, 1730608200, 1730606400,
               1730610000, 1730611799.999999, 2147483647]
    numbers = iter(range(1000))
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute(SQL_MODE)
        for zone in ("SYSTEM", "+00:00", "-03:30", "+13:00"):
            cursor.execute("SET SESSION time_zone = '%s'" % zone)
            for moment in moments:
                cursor.execute("INSERT INTO `%s`.times VALUES (%d, FROM_UNIXTIME(%r), "
                               "FROM_UNIXTIME(%r))" % (db, next(numbers), moment, moment))
            for shown in ("2024-03-10 02:30:00", "2024-11-03 01:30:00", "2024-07-01 12:00:00",
                          "2024-01-01 12:00:00", "0000-00-00 00:00:00"):
                cursor.execute("INSERT INTO `%s`.times VALUES (%d, '%s', '%s')" % (
                    db, next(numbers), shown, shown))
    assert source.value("SELECT @@system_time_zone") in ("NST", "NDT")
    r.settle()
    rows, _ = r.compare()
    assert rows == 3 * next(numbers)
    r.daemon.stop()


LIFE = "PERIOD FOR SYSTEM_TIME(born, died)) WITH SYSTEM VERSIONING"
NUMBERED = "born bigint unsigned GENERATED ALWAYS AS ROW START, n int, died bigint unsigned " \
    "GENERATED ALWAYS AS ROW END, " + LIFE


@pytest.mark.parametrize("metadata", ["full", "least"])
@pytest.mark.parametrize("create", [
    "id int PRIMARY KEY, n int) WITH SYSTEM VERSIONING",
    "id int, n int) WITH SYSTEM VERSIONING",
    "id int PRIMARY KEY, born timestamp(6) GENERATED ALWAYS AS ROW START, n int, "
    "died timestamp(6) GENERATED ALWAYS AS ROW END, " + LIFE,
    "id int PRIMARY KEY, " + NUMBERED,
    "id int, " + NUMBERED,
], ids=["implicit", "without-key", "explicit", "numbered", "numbered-without-key"])
@pytest.mark.parametrize("server", ["mariadb", "mariadb118"])
def test_history_is_never_shown_as_rows(server, create, metadata, request, rig, db):
    """MariaDB logs the old rows of a table WITH SYSTEM VERSIONING as if they were inserted."""
    source = request.getfixturevalue(server)
    try:
        if metadata == "least":
            source.set_least_metadata()
        r = rig(source, [], maps={"history": {"table": db + ".history", "key": "history:{id}"}})
        source.run("CREATE TABLE `%s`.history (%s" % (db, create))
        r.daemon.start()
        source.run(*(statement % db for statement in (
            "INSERT INTO `%s`.history (id, n) VALUES (1, 1), (2, 2)",
            "UPDATE `%s`.history SET n = 3 WHERE id = 1", "DELETE FROM `%s`.history WHERE id = 2")))
        r.settle()
        assert not r.redis.keys("history:*")
        assert r.memcached.get("history:1") is None and r.memcached.get("history:2") is None
        doubts = r.stream().doubts
        # With numbers of transactions, it logs statements.
        why = "a statement in place of rows" if "bigint" in create else "SYSTEM VERSIONING"
        assert doubts and all(why in doubt for doubt in doubts), doubts
        r.daemon.stop()
    finally:
        source.restore()
