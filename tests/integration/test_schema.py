# SPDX-License-Identifier: Apache-2.0
"""Definitions that are looked up, since the binary log has no names: a row from before a change of
its table must never be shown with the columns of today."""

import json
import threading

import pytest

from harness import caches
from harness.monitor import Monitor
from harness.tables import Column, Table
from harness.wait import wait_for

pytestmark = pytest.mark.source

CREATE = "CREATE TABLE {t} (id int PRIMARY KEY, a varchar(20), b varchar(20))"
SWAPPED = "CREATE TABLE {t} (id int PRIMARY KEY, b varchar(20), a varchar(20))"


def alterations(server):
    """name -> statements on the table {t}, all of which leave columns `a` and `b` of one type."""
    found = {
        "nothing": [],
        "add": ["ALTER TABLE {t} ADD COLUMN c int"],
        "add_first": ["ALTER TABLE {t} ADD COLUMN c varchar(20) FIRST"],
        "drop_and_add": ["ALTER TABLE {t} DROP COLUMN a", "ALTER TABLE {t} ADD COLUMN a varchar(20)"],
        "modify_type": ["ALTER TABLE {t} MODIFY a varchar(300)"],
        "swap_by_place": ["ALTER TABLE {t} MODIFY b varchar(20) AFTER id"],
        "swap_by_place_copied": ["ALTER TABLE {t} MODIFY b varchar(20) AFTER id, ALGORITHM=COPY"],
        "swap_by_place_in_place": ["ALTER TABLE {t} MODIFY b varchar(20) AFTER id, ALGORITHM=INPLACE"],
        "swap_by_name": ["ALTER TABLE {t} CHANGE a b varchar(20), CHANGE b a varchar(20)"],
        "swap_twice": ["ALTER TABLE {t} CHANGE a x varchar(20)", "ALTER TABLE {t} CHANGE b a varchar(20)",
                       "ALTER TABLE {t} CHANGE x b varchar(20)"],
        "rename_column": ["ALTER TABLE {t} CHANGE a x varchar(20)", "ALTER TABLE {t} ADD a varchar(20)"],
        "create_again": ["DROP TABLE {t}", SWAPPED],
        "create_again_multi": ["DROP TABLE IF EXISTS nothing, {t}", SWAPPED],
        "rename_table": ["CREATE TABLE {t}_new LIKE {t}",
                         "ALTER TABLE {t}_new CHANGE a b varchar(20), CHANGE b a varchar(20)",
                         "RENAME TABLE {t} TO {t}_old, {t}_new TO {t}"],
        "rename_table_by_alter": ["CREATE TABLE {t}_new (id int PRIMARY KEY, b varchar(20), a varchar(20))",
                                  "DROP TABLE {t}", "ALTER TABLE {t}_new RENAME {t}"],
        "odd_statement": ["/* a note */ alter -- why\n table `{t}` /*!50000 modify b varchar(20) after id */"],
        "index": ["CREATE INDEX i ON {t} (a)", "ANALYZE TABLE {t}", "DROP INDEX i ON {t}"],
        "partition": ["ALTER TABLE {t} PARTITION BY HASH(id) PARTITIONS 4"],  # 5.6 then tells no time
        "dropped": ["DROP TABLE {t}"],
        "view": ["RENAME TABLE {t} TO {t}_base", "CREATE VIEW {t} AS SELECT id, b, a FROM {t}_base"],
    }
    if server.version >= (8,):  # MariaDB 10 too
        found["swap_by_rename_column"] = [
            "ALTER TABLE {t} RENAME COLUMN a TO b, RENAME COLUMN b TO a"]
        found["add_instantly"] = ["ALTER TABLE {t} ADD COLUMN c int, ALGORITHM=INSTANT"]
        found["drop_instantly"] = ["ALTER TABLE {t} DROP COLUMN a, ALGORITHM=INSTANT",
                                   "ALTER TABLE {t} ADD COLUMN a varchar(20), ALGORITHM=INSTANT"]
    if server.flavour == "mariadb":
        found["swap_instantly"] = ["ALTER TABLE {t} MODIFY b varchar(20) AFTER id, ALGORITHM=INSTANT"]
        found["set_statement"] = [
            "SET STATEMENT max_statement_time = 100 FOR ALTER TABLE {t} MODIFY b varchar(20) AFTER id"]
        found["replace"] = [SWAPPED.replace("CREATE", "CREATE OR REPLACE")]
    return found


def rows_of(cursor, table, ids):
    """What SELECT shows: cache key -> row."""
    cursor.execute("SELECT * FROM %s WHERE id IN (%s)" % (table, ", ".join(map(str, ids))))
    names = [column[0] for column in cursor.description]
    found = {}
    for values in cursor.fetchall():
        row = {name: int(value) if name == "id" else value for name, value in zip(names, values)}
        found["%s:%d" % (table, row["id"])] = row
    return found


def write(cursor, table, ids, word):
    """Rows whose every text begins with the name of its column; returns what they are then."""
    for number in ids:
        cursor.execute("REPLACE INTO %s (id, a, b) VALUES (%d, 'a%s%d', 'b%s%d')" % (
            table, number, word, number, word, number))
    return rows_of(cursor, table, ids)


def check_written(monitor, prefix, truth):
    """Whatever was set is what the row was after one of its changes."""
    written = monitor.values(prefix)
    wrong = ["%s was set to %s, and never was" % (key, value) for key, value in written
             if json.loads(value) not in truth.get(key, ())]
    assert not wrong, "\n".join(wrong[:20])
    return written


def check_now(r, names):
    """What the caches hold is what the database does; returns the keys."""
    keys = set()
    with r.source.connect(r.db) as connection, connection.cursor() as cursor:
        for name in names:
            found = {key: json.loads(value)
                     for key, value in caches.in_redis(r.redis, Table(r.db, name, [])).items()}
            pool = {key: json.loads(r.memcached.get(key)) for key in r.memcached.keys()
                    if key.startswith(name + ":")}
            assert pool.items() <= found.items()
            if not found:
                continue
            now = rows_of(cursor, name, [key.split(":")[1] for key in found])
            assert found == now, name
            keys |= found.keys()
    return keys


def test_rows_from_before_a_change_of_their_table_are_right_or_absent(any_source, rig, db, figures):
    server = any_source
    server.set_least_metadata()
    cases = alterations(server)
    r = rig(server, [], maps={"all": {"table": db + ".t_*", "key": "{table}:{id}"}})
    tables = {"t_" + name: statements for name, statements in cases.items()}
    truth, last = {}, {}

    def remember(rows):
        for key, row in rows.items():
            truth.setdefault(key, []).append(row)
            last[key] = row

    with server.connect(db) as connection, connection.cursor() as cursor:
        for table in tables:
            cursor.execute(CREATE.format(t=table))
            remember(write(cursor, table, (1, 2, 3), "old"))
        for table, statements in tables.items():
            for statement in statements:
                cursor.execute(statement.format(t=table))
        lasting = [table for table in tables if table not in ("t_dropped", "t_view")]
        for table in lasting:
            remember(write(cursor, table, (2, 11), "new"))
    monitor = Monitor(r.redis_server.port)
    r.daemon.start()
    r.settle()
    wait_for(lambda: monitor.written("marker:"), "the mark in MONITOR")
    monitor.close()
    written = check_written(monitor, "t_", truth)
    keys = check_now(r, tables)
    # What came after the change is there, whatever is before.
    for table in lasting:
        assert {table + ":2", table + ":11"} <= keys, table
    # Nothing was changed, or nothing about columns: nothing is in doubt.
    for table in ("t_nothing", "t_index"):
        assert {table + ":%d" % n for n in (1, 2, 3, 11)} <= keys, r.daemon.log
    r.daemon.stop()
    figures("%d alterations, %d values written, none wrong" % (len(tables), len(written)))


def test_a_change_that_is_not_in_the_log_is_detected_by_its_time(any_source, rig, db):
    server = any_source
    server.set_least_metadata()
    r = rig(server, [], maps={"all": {"table": db + ".t_*", "key": "{table}:{id}"}})
    now = "SELECT UNIX_TIMESTAMP()"
    with server.connect(db) as connection, connection.cursor() as cursor:
        cursor.execute(CREATE.format(t="t_quiet"))
        truth = {key: [row] for key, row in write(cursor, "t_quiet", (1, 2), "old").items()}
        logged = int(server.value(now))
        # What was logged is known to the second, a statement may take a moment, and files' times are some
        # milliseconds behind the clock.
        wait_for(lambda: int(server.value(now)) > logged + 2, "two more seconds")
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("ALTER TABLE t_quiet MODIFY b varchar(20) AFTER id")
        cursor.execute("SET SESSION sql_log_bin = 1")
        for key, row in write(cursor, "t_quiet", (2, 11), "new").items():
            truth.setdefault(key, []).append(row)
    monitor = Monitor(r.redis_server.port)
    r.daemon.start()
    r.settle()
    wait_for(lambda: monitor.written("marker:"), "the mark in MONITOR")
    monitor.close()
    check_written(monitor, "t_quiet:", truth)
    assert check_now(r, ["t_quiet"]) == {"t_quiet:2", "t_quiet:11"}
    assert "not in the binlog" in r.daemon.log
    r.daemon.stop()


def test_a_change_that_is_not_in_the_log_is_detected_while_rows_come(any_source, rig, db):
    server = any_source
    server.set_least_metadata()
    r = rig(server, [], maps={"all": {"table": db + ".t_*", "key": "{table}:{id}"}})
    r.daemon.start()
    now = "SELECT UNIX_TIMESTAMP()"
    with server.connect(db) as connection, connection.cursor() as cursor:
        cursor.execute(CREATE.format(t="t_quiet"))
        write(cursor, "t_quiet", (1, 2), "old")
        r.settle()
        logged = int(server.value(now))
        wait_for(lambda: int(server.value(now)) > logged + 2, "two more seconds")
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("ALTER TABLE t_quiet MODIFY b varchar(20) AFTER id")
        cursor.execute("SET SESSION sql_log_bin = 1")
        write(cursor, "t_quiet", (2, 11), "new")
        r.settle()
        assert check_now(r, ["t_quiet"]) >= {"t_quiet:2", "t_quiet:11"}
        # A table that is only opened anew is not in doubt.
        cursor.execute("FLUSH TABLES t_quiet")
        write(cursor, "t_quiet", (3,), "last")
        r.settle()
        assert check_now(r, ["t_quiet"]) >= {"t_quiet:2", "t_quiet:3", "t_quiet:11"}
    r.daemon.stop()


@pytest.mark.parametrize("metadata", ["full", "least"])
@pytest.mark.parametrize("server", ["mariadb", "mariadb118"])
def test_what_mariadb_hides_of_a_table_is_not_shown(request, server, metadata, rig, db):
    """Hashes of UNIQUE keys that are too long for an index are logged as columns."""
    server = request.getfixturevalue(server)
    if metadata == "least":
        server.set_least_metadata()
    r = rig(server, [], maps={"all": {"table": db + ".t_*", "key": "{table}:{id}"}})
    r.daemon.start()
    with server.connect(db) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t_long (id int PRIMARY KEY, a text UNIQUE, b varchar(20))")
        cursor.execute("CREATE TABLE t_hash (id int, a varchar(20), b varchar(20), "
                       "UNIQUE (id, a) USING HASH, UNIQUE (b) USING HASH)")
        cursor.execute("CREATE TABLE t_own (id int PRIMARY KEY, a varchar(20), b varchar(20), "
                       "DB_ROW_HASH_1 bigint unsigned)")
        for table in ("t_long", "t_hash", "t_own"):
            write(cursor, table, (1, 2), "old")
        r.settle()
        keys = {"%s:%d" % (table, number) for table in ("t_long", "t_hash", "t_own") for number in (1, 2)}
        assert check_now(r, ["t_long", "t_hash", "t_own"]) == keys
        cursor.execute("ALTER TABLE t_long ADD COLUMN c varchar(20)")
        r.settle()
        write(cursor, "t_long", (2, 3), "new")
        cursor.execute("DELETE FROM t_hash WHERE id = 1")
        r.settle()
        assert check_now(r, ["t_long", "t_hash", "t_own"]) == keys - {"t_long:1", "t_hash:1"} | {"t_long:3"}
    with open(r.daemon.out) as lines:
        for line in lines:
            assert '"doubt"' not in line
            assert "DB_ROW_HASH" not in line or "t_own" in line
    r.daemon.stop()


def test_columns_are_swapped_all_the_time_while_rows_come(any_source, rig, db, figures):
    """Live, and with a restart that leaves a backlog: no value is ever in the wrong column."""
    server = any_source
    server.set_least_metadata()
    table = Table(db, "t_live", [Column("id", "int", "int", nullable=False),
                                 Column("a", "varchar(20)", "text"), Column("b", "varchar(20)", "text")])
    r = rig(server, [table])
    monitor = Monitor(r.redis_server.port)
    r.daemon.start()
    r.settle()
    enough = threading.Event()
    count = 0

    def insert():
        nonlocal count
        with server.connect(db) as connection, connection.cursor() as cursor:
            while not enough.is_set():
                count += 1
                cursor.execute("INSERT INTO t_live (id, a, b) VALUES (%s, %s, %s)" % (
                    count, "'a%d'" % count, "'b%d'" % count))

    writer = threading.Thread(target=insert)
    writer.start()
    try:
        with server.connect(db) as connection, connection.cursor() as cursor:
            for turn in range(60):
                if turn == 20:
                    r.daemon.stop()
                if turn == 40:
                    r.daemon.start()
                cursor.execute("ALTER TABLE t_live MODIFY %s varchar(20) AFTER id" % "ba"[turn % 2])
                seen = count
                wait_for(lambda: count > seen + 3 or not writer.is_alive(), "more rows")
    finally:
        enough.set()
        writer.join()
    r.settle()
    wait_for(lambda: monitor.values("marker:%d" % r.marks), "the mark in MONITOR")
    written = monitor.values("t_live:")
    wrong = [(key, value) for key, value in written
             if (lambda row: (row["a"], row["b"]) != ("a%d" % row["id"], "b%d" % row["id"]))(json.loads(value))]
    assert not wrong, wrong[:5]
    assert written
    server.run("UPDATE t_live SET a = CONCAT(a, '!')", database=db)
    r.settle()
    monitor.close()
    r.tables = {"t_live": Table(db, "t_live", [table.columns[i] for i in (0, 1, 2)])}
    r.compare(sinks=("hot", "pool"))
    r.daemon.stop()
    figures("%d rows through 60 changes of their table, %d written, none wrong" % (count, len(written)))
