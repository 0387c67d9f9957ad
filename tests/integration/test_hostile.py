# SPDX-License-Identifier: Apache-2.0
"""What servers and users do to a follower of the log when they mean no good."""

import os
import subprocess

import pymysql
import pytest

from harness.daemon import BINARY, ENVIRONMENT
from harness.monitor import Monitor
from harness.servers import MySQL
from harness.tables import Column, Table

SMALL = {"transaction_bytes": "1M", "queue_bytes": "1M"}


def numbers(db):
    return Table(db, "numbers", [
        Column("id", "int", "int", nullable=False),
        Column("a", "int", "int"),
        Column("pad", "varchar(200)", "text"),
    ])


def fill(r, count):
    """Rows beyond transaction_bytes, in small transactions."""
    with r.source.connect(r.db) as connection, connection.cursor() as cursor:
        for start in range(0, count, 500):
            cursor.execute("INSERT INTO numbers VALUES " + ",".join(
                "(%d, 1, REPEAT('x', 200))" % n for n in range(start, start + 500)))


def test_what_a_large_transaction_rolls_back_is_never_seen(mariadb, rig, db, redis):
    r = rig(mariadb, [numbers(db)], fastlane=SMALL)
    mariadb.run("CREATE TABLE other (id int) ENGINE=MyISAM", database=db)
    fill(r, 15000)
    r.daemon.start()
    r.settle()
    monitor = Monitor(redis.port)
    # Only because of the other engine is what is rolled back in the log at all.
    mariadb.run("BEGIN", "SAVEPOINT s", "INSERT INTO other VALUES (1)", "UPDATE numbers SET a = 666",
                "ROLLBACK TO s", "UPDATE numbers SET a = 2 WHERE id = 3", "COMMIT", database=db)
    mariadb.run("BEGIN", "INSERT INTO other VALUES (2)", "UPDATE numbers SET a = 666", "ROLLBACK",
                database=db)
    r.settle()
    monitor.close()
    assert rb'\"a\":666' not in bytes(monitor.seen)
    with open(r.daemon.out) as file:
        assert '"a":666' not in file.read()
    r.compare(sinks=("hot", "pool"), all_there=False)
    r.daemon.stop()


def test_a_large_transaction_arrives_in_parts(source, rig, db, figures):
    r = rig(source, [numbers(db)], fastlane=SMALL)
    fill(r, 15000)
    r.daemon.start()
    source.run("UPDATE numbers SET a = 5, id = id + 1 ORDER BY id DESC", database=db)
    r.settle()
    assert "is read again, and passed on in parts" in r.daemon.log
    rows, values = r.compare()
    r.daemon.stop()
    figures("%d rows, %d values compared, 0 differences" % (rows, values))


def test_names_in_statements_are_read_in_the_clients_charset(source, rig, db):
    r = rig(source, [], maps={"all": {"table": db + ".*", "key": "{table}:{id}"}})
    source.run("CREATE TABLE `é` (id int PRIMARY KEY)", "INSERT INTO `é` VALUES (1)", database=db)
    r.daemon.start()
    r.settle()
    assert r.redis.exists("é:1")
    connection = pymysql.connect(unix_socket=source.socket, user="app", password="app",
                                 charset="latin1", database=db)
    with connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE `é`")
    r.settle()
    assert not r.redis.exists("é:1") and r.memcached.get("é:1") is None
    r.daemon.stop()


def test_a_closed_stdout_is_refused(mariadb, rig, db):
    r = rig(mariadb, [numbers(db)])
    done = subprocess.run([BINARY, "-c", r.daemon.config, "--until-current"], env=ENVIRONMENT,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60,
                          preexec_fn=lambda: os.close(1))
    assert done.returncode == 4
    assert "[log] halted: stdout is closed" in done.stderr


def test_a_source_that_lost_what_was_applied_is_refused(rig, db, start_server):
    source = start_server(MySQL)
    r = rig(source, [numbers(db)])
    source.run("INSERT INTO numbers VALUES (1, 1, ''), (2, 1, '')", database=db)
    assert r.daemon.run("--until-current") == 0
    source.run("RESET BINARY LOGS AND GTIDS", "UPDATE `%s`.numbers SET a = 2" % db)
    assert r.daemon.run("--until-current") == 4
    assert "does not have all of the transactions that were applied" in r.daemon.log


def test_what_the_source_has_logged_but_not_committed_is_not_lost(rig, db, start_server):
    source = start_server(MySQL)
    gtid = source.value("SELECT @@server_uuid") + ":4711"
    r = rig(source, [numbers(db)])
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET gtid_next = '%s'" % gtid)
        r.daemon.sections["source"]["start"] = source.gtids() + "," + gtid
        r.daemon.write()
        assert r.daemon.run("--until-current") == 0
        cursor.execute("ROLLBACK")
        cursor.execute("SET gtid_next = AUTOMATIC")


@pytest.mark.parametrize("policy", ["delete", "halt"])
def test_changes_that_are_lost_to_the_log_are_a_doubt(mysql, rig, db, policy):
    r = rig(mysql, [numbers(db)], on_doubt=policy)
    mysql.run("CREATE TABLE other (pad longtext) ENGINE=MyISAM", database=db)
    r.daemon.start()
    mysql.run("INSERT INTO numbers VALUES (1, 1, '')", database=db)
    r.settle()
    mysql.set_global(max_binlog_stmt_cache_size=4096)
    try:
        with pytest.raises(pymysql.MySQLError):
            mysql.run("INSERT INTO other VALUES (REPEAT('x', 1000000))", database=db)
    finally:
        mysql.set_global(max_binlog_stmt_cache_size=1 << 40)
    if policy == "halt":
        assert r.daemon.wait(30) == 4
        assert "INCIDENT_EVENT" in r.daemon.log
    else:
        r.settle()
        assert not r.redis.exists("numbers:1")
        assert r.redis.get("fastlane:position:hot")
        r.daemon.stop()
