# SPDX-License-Identifier: Apache-2.0
"""What every server has to do, through either client library."""

import json

import pytest

from harness import workload
from harness.tables import Column, Table
from harness.wait import wait_for

pytestmark = pytest.mark.source

COUNT = 1200


def users(db, name="users"):
    return Table(db, name, [
        Column("id", "int", "int", nullable=False),
        Column("email", "varchar(300)", "text"),
    ])


@pytest.mark.parametrize("metadata", ["full", "least"])
def test_all_sinks_equal_the_database_after_a_workload_with_ddl_and_a_restart(
        any_source, metadata, rig, db, figures):
    server = any_source
    if metadata == "least":
        server.set_least_metadata()
    # DDL and rows can wait for each other in a circle that only a timeout ends.
    server.set_global(innodb_lock_wait_timeout=1)
    r = rig(server, workload.tables(db, server.flavour))
    r.daemon.start()
    load = workload.Workload(server, db, COUNT, seed=metadata).start()
    load.wait_done(COUNT // 4)
    server.run("ALTER TABLE account ADD INDEX (name)", "CREATE TABLE other LIKE item", "DROP TABLE other",
               "OPTIMIZE TABLE flat", database=db)
    load.wait_done(COUNT // 2)
    r.daemon.kill()
    server.run("ALTER TABLE item MODIFY note varchar(120) CHARACTER SET latin1", database=db)
    load.wait_done(COUNT * 3 // 4)
    r.daemon.start()
    load.join()
    r.settle(120)
    # DDL clears a table's keys; a change of every row brings them back.
    server.run("UPDATE account SET balance = balance + 1", "UPDATE item SET n = n DIV 2 + 1",
               "UPDATE flat SET ratio = ratio + 1", "UPDATE event SET note = 'last'", database=db)
    r.settle(120)
    rows, values = r.compare(sinks=("hot", "pool"), all_there=False)
    assert rows > 200
    with open(r.daemon.out) as file:
        assert workload.NEVER not in file.read(), "rolled-back work was seen"
    r.daemon.stop()
    figures("%s, %s metadata: %d committed, %d rolled back; %d rows, %d values compared, 0 differences"
            % (server.value("SELECT VERSION()"), metadata, load.committed, load.rolled_back, rows, values))


@pytest.mark.parametrize("metadata", ["full", "least"])
def test_names_in_the_log_and_looked_up_give_the_same(any_source, metadata, rig, db):
    server = any_source
    if metadata == "least":
        server.set_least_metadata()
    table = Table(db, "users", [
        Column("id", "int unsigned", "int", nullable=False),
        Column("n", "bigint unsigned", "int"), Column("d", "decimal(20,5)", "decimal"),
        Column("e", "enum('x','y')", "text"), Column("at", "timestamp(3)", "text"),
        Column("word", "varchar(20) character set latin1", "text")])
    r = rig(server, [table])
    r.daemon.start()
    server.run("INSERT INTO users VALUES (4294967295, 18446744073709551615, -1.5, 'y',"
               " '2024-02-29 01:02:03.4', 'é')", "BEGIN", "INSERT INTO users (id) VALUES (1)",
               "SAVEPOINT s", "INSERT INTO users (id) VALUES (2)", "ROLLBACK TO s",
               "UPDATE users SET n = 7 WHERE id = 1", "COMMIT", database=db)
    r.settle()
    assert r.compare() == (6, 36)
    assert json.loads(r.redis.get("users:4294967295"))["n"] == 2**64 - 1
    r.daemon.stop()


def test_xa_is_seen_with_its_commit_and_never_after_a_rollback(any_source, rig, db):
    r = rig(any_source, [users(db)])
    r.daemon.start()
    with any_source.connect(db) as connection, connection.cursor() as cursor:
        for name, number in (("kept", 1), ("dropped", 2)):
            for statement in ("XA START '%s'", "INSERT INTO users VALUES (%d, 'xa')" % number,
                              "XA END '%s'", "XA PREPARE '%s'"):
                cursor.execute(statement % name if "%s" in statement else statement)
            r.settle()
            assert not r.redis.exists("users:%d" % number)
            cursor.execute("XA %s '%s'" % ("COMMIT" if name == "kept" else "ROLLBACK", name))
    r.settle()
    assert r.compare() == (3, 6)
    r.daemon.stop()


def test_files_change_and_checksums_go_and_come(any_source, rig, db):
    server = any_source
    r = rig(server, [users(db)])
    r.daemon.start()
    number = 0
    try:
        for checksum in ("NONE", "CRC32", "NONE"):
            server.run("SET GLOBAL binlog_checksum = " + checksum)
            for _ in range(2):
                number += 1
                server.run("INSERT INTO users VALUES (%d, '%s')" % (number, checksum),
                           "FLUSH BINARY LOGS", database=db)
            r.settle()
            r.daemon.stop()
            r.daemon.start()
    finally:
        server.run("SET GLOBAL binlog_checksum = CRC32")
    server.run("UPDATE users SET email = 'last'", database=db)
    r.settle()
    assert r.compare() == (3 * number, 6 * number)
    r.daemon.stop()


@pytest.mark.parametrize("start", ["earliest", "current", "place"])
def test_it_starts_where_it_is_told(any_source, start, rig, db):
    server = any_source
    place = server.file_position()
    r = rig(server, [users(db)], start=place if start == "place" else start)
    server.run("INSERT INTO users VALUES (1, 'before')", database=db)
    r.daemon.start()
    r.settle_anew(sinks=("hot",))
    assert r.redis.exists("users:1") == (start != "current")
    server.run("INSERT INTO users VALUES (2, 'after')", database=db)
    r.settle()
    assert r.redis.exists("users:2")
    r.daemon.stop()


def test_an_idle_source_is_known_to_be_there(any_source, rig, db):
    """Heartbeats of a second each keep a session that would be lost after three."""
    r = rig(any_source, [users(db)])
    r.daemon.start()
    r.settle()
    began = int(any_source.value("SELECT UNIX_TIMESTAMP()"))
    wait_for(lambda: int(any_source.value("SELECT UNIX_TIMESTAMP()")) > began + 4, "five seconds")
    assert "lost the source" not in r.daemon.log
    r.settle()
    r.daemon.stop()
