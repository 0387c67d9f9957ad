# SPDX-License-Identifier: Apache-2.0
"""What a Redis sink does when its position is gone, or somebody else moves it."""

import threading

import pytest

from harness.daemon import Fastlane
from harness.monitor import Monitor
from harness.servers import MariaDB, MySQL, Redis
from harness.tables import Column, Table
from harness.wait import wait_for


def numbers(db):
    return Table(db, "num", [Column("id", "int", "int", nullable=False), Column("n", "int", "int")])


def insert(source, db, first, last):
    source.run("INSERT INTO num VALUES %s" % ", ".join(
        "(%d, %d)" % (n, n) for n in range(first, last + 1)), database=db)


def test_a_redis_that_is_emptied_while_nothing_changes_is_noticed(mariadb, rig, db, start_server):
    redis = start_server(Redis)
    r = rig(mariadb, [numbers(db)], redis=redis, fastlane={"on_cold": "earliest"})
    r.daemon.start()
    insert(mariadb, db, 1, 100)
    r.settle()
    r.redis.flushall()
    r.daemon.wait_log("has been emptied, or has lost its position", 30)
    wait_for(lambda: r.redis.exists("num:100"), "what was there before")
    r.compare()
    r.daemon.stop()


@pytest.mark.parametrize("when", ["running", "stopped"])
@pytest.mark.parametrize("how", ["resume", "earliest", "halt"])
@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_a_redis_that_was_emptied_is_noticed(kind, how, when, rig, db, start_server):
    source, redis = start_server(kind), start_server(Redis)
    r = rig(source, [numbers(db)], redis=redis, fastlane={"on_cold": how})
    r.daemon.start()
    insert(source, db, 1, 100)
    r.settle()
    if when == "running":
        r.redis.flushall()
    else:
        # As after a restart: nobody but the state directory remembers.
        r.daemon.stop()
        r.redis.flushall()
        r.daemon.start()
    insert(source, db, 101, 120)
    r.daemon.wait_log("has been emptied, or has lost its position")
    if how == "halt":
        r.settle(sinks=("pool", "log"))
        r.compare(sinks=("pool", "log"))
        assert r.redis.keys("*") == [b"fastlane:position:hot"]
        r.daemon.stop(code=4)
        # The file's removal is the operator's answer.
        r.daemon.remove_position("hot")
        r.daemon.start()
        r.settle_anew(sinks=("hot",))
    else:
        r.settle()
    r.compare(all_there=how == "earliest", sinks=("hot",))
    kept = {int(key.split(b":")[1]) for key in r.redis.scan_iter("num:*")}
    assert kept >= set(range(1 if how == "earliest" else 101, 121))
    assert (1 in kept) == (how == "earliest") or how == "halt"
    r.daemon.stop()


def test_a_sink_that_is_told_to_start_over_does(source, rig, db, start_server):
    redis = start_server(Redis)
    r = rig(source, [numbers(db)], redis=redis)
    r.daemon.start()
    insert(source, db, 1, 10)
    r.settle()
    r.daemon.stop()
    r.redis.flushall()
    r.daemon.remove_position("hot")
    r.daemon.start()
    r.settle()
    r.compare()
    assert "has been emptied" not in r.daemon.log
    r.daemon.stop()


@pytest.mark.parametrize("damage", ["cut", "changed", "foreign", "empty"])
def test_a_damaged_state_file_is_refused(damage, mariadb, rig, db):
    r = rig(mariadb, [numbers(db)])
    r.daemon.start()
    insert(mariadb, db, 1, 10)
    r.settle()
    r.daemon.stop()
    path = r.daemon.position_file("pool")
    with open(path, "rb") as file:
        content = file.read()
    if damage == "foreign":
        with open(r.daemon.position_file("log"), "rb") as file:
            content = file.read()
    with open(path, "wb") as file:
        file.write({"cut": content[:-2] + b"\n", "changed": content.replace(b"pos=", b"pos=1"),
                    "foreign": content, "empty": b""}[damage])
    before = r.daemon.log
    r.daemon.start()
    r.settle(sinks=("hot", "log"))
    said = r.daemon.log[len(before):]
    assert "[pool] halted: its position can't be read: %s " % path in said, said
    assert ("that of the sink log" if damage == "foreign" else "damaged") in said, said
    r.daemon.stop(code=4)


def test_of_two_daemons_on_one_redis_the_older_one_stops(source, rig, db, start_server, folder):
    redis = start_server(Redis)
    table = numbers(db)
    r = rig(source, [table], redis=redis)
    monitor = Monitor(redis.port)
    enough = threading.Event()
    count = 0

    def work():
        nonlocal count
        with source.connect(db) as connection, connection.cursor() as cursor:
            while not enough.is_set():
                count += 1
                cursor.execute("INSERT INTO num VALUES (%s, %s)", (count, count))

    writer = threading.Thread(target=work)
    r.daemon.start()
    newer = Fastlane(
        folder + "/newer", source, {"hot": {"plugin": "redis", "address": "127.0.0.1:%d" % redis.port}},
        {table.name: table.rule(), "marker": r.marker.rule()}, server_id=5711)
    writer.start()
    try:
        r.daemon.wait_for(lambda: len(monitor.written("num:")) > 300, "300 rows in Redis")
        newer.start()
        r.daemon.wait_log("another fastlane has taken over fastlane:position:hot")
        seen = len(monitor.written("num:"))
        newer.wait_for(lambda: len(monitor.written("num:")) > seen + 300, "300 more rows in Redis")
    finally:
        enough.set()
        writer.join()
        try:
            r.settle()
            wait_for(lambda: monitor.written("marker:"), "the mark in MONITOR")
        finally:
            newer.kill()
    monitor.close()
    assert monitor.written("num:") == ["num:%d" % n for n in range(1, count + 1)]
    r.compare()
    assert "[hot] halted" not in newer.log
    r.daemon.stop(code=4)


def test_a_redis_that_comes_back_with_older_data_gets_the_rest_again(source, rig, db, start_server):
    redis = start_server(Redis)
    r = rig(source, [numbers(db)], redis=redis)
    r.daemon.start()
    insert(source, db, 1, 50)
    r.settle()
    r.redis.save()
    older = r.redis.get("fastlane:position:hot")
    source.run("UPDATE num SET n = n + 1000 WHERE id <= 25", "DELETE FROM num WHERE id > 45",
               database=db)
    insert(source, db, 51, 60)
    r.settle()
    redis.kill()
    redis.start()
    r.reconnect()
    r.settle()
    r.compare()
    assert "has been emptied" not in r.daemon.log
    # It was the snapshot, and not what was there before the crash, that it came back with.
    assert redis.client().info("persistence")["rdb_last_load_keys_loaded"] == 50 + 2
    assert r.redis.get("fastlane:position:hot") != older
    r.daemon.stop()
