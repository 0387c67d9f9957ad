# SPDX-License-Identifier: Apache-2.0
"""fastlane itself is stopped and killed in the middle of its work."""

import threading

import pytest

from harness import workload
from harness.monitor import Monitor
from harness.tables import Column, Table
from harness.wait import wait_for

RESTARTS = 8


@pytest.mark.source
def test_restarts_lose_and_repeat_nothing_in_redis(source, rig, db, figures):
    table = Table(db, "num", [Column("id", "int", "int", nullable=False),
                              Column("pad", "varchar(100)", "text")])
    r = rig(source, [table])
    monitor = Monitor(r.redis_server.port)

    enough = threading.Event()
    count = 0

    def insert():
        nonlocal count
        with source.connect(db) as connection, connection.cursor() as cursor:
            while not enough.is_set():
                count += 1
                cursor.execute("INSERT INTO num VALUES (%s, REPEAT('x', 100))", count)

    writer = threading.Thread(target=insert)
    r.daemon.start()
    writer.start()
    try:
        for restart in range(RESTARTS):
            seen = len(monitor.written("num:"))
            r.daemon.wait_for(lambda: len(monitor.written("num:")) > seen + 300,
                              "300 more rows in Redis")
            if restart % 2:
                r.daemon.kill()
            else:
                r.daemon.stop()
            r.daemon.start()
    finally:
        enough.set()
        writer.join()
    r.settle()
    wait_for(lambda: monitor.written("marker:"), "the mark in MONITOR")
    monitor.close()
    assert monitor.written("num:") == ["num:%d" % n for n in range(1, count + 1)]
    r.compare(stream=r.stream(repeats=True))
    r.daemon.stop()
    figures("%d transactions, %d restarts, each applied once and in order" % (count, RESTARTS))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_all_sinks_end_equal_after_restarts_in_a_mixed_workload(source, end, rig, db):
    r = rig(source, workload.tables(db, source.flavour))
    r.daemon.start()
    load = workload.Workload(source, db, 4000, seed=end).start()
    for part in range(1, 4):
        load.wait_done(part * 1000)
        getattr(r.daemon, end)()
        r.daemon.start()
    load.join()
    r.settle(120)
    r.compare(stream=r.stream(repeats=True))
    r.daemon.stop()


def test_a_kill_while_nothing_changes_repeats_nothing_in_redis(mariadb, rig, db):
    r = rig(mariadb, workload.tables(db, "mariadb"))
    r.daemon.start()
    workload.Workload(mariadb, db, 200).start().join()
    r.settle()
    r.daemon.kill()
    monitor = Monitor(r.redis_server.port)
    r.daemon.start()
    r.settle()
    wait_for(lambda: monitor.written("marker:"), "the mark in MONITOR")
    monitor.close()
    assert monitor.written("") == ["fastlane:position:hot", "marker:2", "fastlane:position:hot"]
    r.daemon.stop()
