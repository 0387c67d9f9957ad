# SPDX-License-Identifier: Apache-2.0
"""Compressed binlogs: MySQL's transaction payloads, MariaDB's compressed events."""

import re

import pytest

from harness import workload
from harness.tables import Column, Table

COUNT = 3000


@pytest.fixture(params=["mariadb", "mariadb118", "mysql"])
def compressing(request):
    server = request.getfixturevalue(request.param)
    if server.flavour == "mysql":
        server.set_global(binlog_transaction_compression="ON")
    else:
        server.set_global(log_bin_compress="ON", log_bin_compress_min_len=10)
    yield server
    if server.flavour == "mysql":
        server.set_global(binlog_transaction_compression="OFF",
                          binlog_transaction_compression_level_zstd=3)
    else:
        server.set_global(log_bin_compress="OFF", log_bin_compress_min_len=256)
    server.restore()


def event_types(server, start):
    """The types of events in the binlog from a place on."""
    file, position = start.rsplit(":", 1)
    rows = server.run("SHOW BINLOG EVENTS IN '%s' FROM %s" % (file, position))
    return {row[2].lower() for row in rows}


@pytest.mark.source
def test_a_mixed_workload_arrives_from_a_compressed_binlog(compressing, rig, db, figures):
    r = rig(compressing, workload.tables(db, compressing.flavour))
    start = compressing.file_position()
    r.daemon.start()
    load = workload.Workload(compressing, db, COUNT).start()
    load.wait_done(COUNT // 2)
    r.daemon.stop()
    r.daemon.start()
    load.join()
    r.settle(120)
    rows, values = r.compare(stream=r.stream(repeats=True))
    assert not r.stream(repeats=True).doubts
    r.daemon.stop()
    types = event_types(compressing, start)
    if compressing.flavour == "mysql":
        assert "transaction_payload" in types
    else:
        assert {"write_rows_compressed_v1", "update_rows_compressed_v1",
                "delete_rows_compressed_v1"} <= types
    figures("%d rows, %d values compared, 0 differences" % (rows, values))


def test_a_compressed_statement_clears_its_table(compressing, rig, db):
    table = Table(db, "plain", [Column("id", "int", "int", nullable=False)])
    r = rig(compressing, [table])
    r.daemon.start()
    compressing.run("INSERT INTO plain VALUES (1), (2)", database=db)
    r.settle()
    assert r.redis.exists("plain:1")
    start = compressing.file_position()
    compressing.run("TRUNCATE TABLE plain /* %s */" % ("x" * 1000), database=db)
    r.settle()
    assert not r.redis.exists("plain:1") and r.memcached.get("plain:1") is None
    if compressing.flavour == "mariadb":
        assert "query_compressed" in event_types(compressing, start)
    r.daemon.stop()


def test_compressed_statements_about_other_tables_leave_rows_in_no_doubt(compressing, rig, db):
    """Columns are looked up, and the statements between the rows and now are in the way."""
    compressing.set_least_metadata()
    table = Table(db, "plain", [Column("id", "int", "int", nullable=False)])
    other = Table(db, "other", [Column("id", "int", "int", nullable=False)])
    r = rig(compressing, [table, other])
    compressing.run("INSERT INTO plain VALUES (1), (2)", "INSERT INTO other VALUES (1)",
                    "ALTER TABLE other ADD COLUMN c int /* %s */" % ("x" * 1000),
                    "DELETE FROM other", database=db)
    r.daemon.start()
    r.settle()
    assert r.redis.exists("plain:1") and r.redis.exists("plain:2")
    assert "%s.other: its columns may have been others" % db in r.daemon.log
    assert "%s.plain: " % db not in r.daemon.log
    r.daemon.stop()


@pytest.mark.parametrize("level", [1, 22])
def test_a_payload_far_smaller_than_its_transaction(mysql, rig, db, level):
    """20 MB in about 1 KB, beyond transaction_bytes: it is inflated twice, and never held whole."""
    table = Table(db, "big", [Column("id", "int", "int", nullable=False),
                              Column("body", "mediumtext", "text")])
    r = rig(mysql, [table], fastlane={"transaction_bytes": "1M", "queue_bytes": "1M"})
    r.daemon.start()
    start = mysql.file_position()
    mysql.run("SET SESSION binlog_transaction_compression = ON",
              "SET SESSION binlog_transaction_compression_level_zstd = %d" % level, "BEGIN",
              *("INSERT INTO big VALUES (%d, REPEAT('y', 500000))" % n for n in range(40)),
              "UPDATE big SET body = 'small' WHERE id = 7", "COMMIT", database=db)
    size = [int(row[4]) - int(row[1]) for row in mysql.run(
        "SHOW BINLOG EVENTS IN '%s' FROM %s" % tuple(start.rsplit(":", 1)))
        if row[2].lower() == "transaction_payload"]
    assert len(size) == 1 and size[0] < 10000, size
    r.settle()
    assert re.search("read again, and passed on in parts", r.daemon.log)
    rows, _ = r.compare(sinks=("hot", "log"))
    assert rows == 2 * 40
    r.daemon.stop()
