# SPDX-License-Identifier: Apache-2.0
"""The servers around fastlane are killed, frozen and started again in the middle of a workload."""

import os

import pytest

from harness import workload
from harness.servers import MariaDB, MemcachedServer, MySQL, Redis

ALL_ON_DISK = ("--appendonly", "yes", "--appendfsync", "always")


def touch_all(source, db):
    """Changes every row."""
    source.run(
        "UPDATE account SET name = CONCAT(IFNULL(name, ''), '!')",
        "UPDATE item SET note = CONCAT(IFNULL(note, ''), '!')",
        "UPDATE flat SET note = CONCAT(IFNULL(note, ''), '!')",
        "UPDATE event SET note = CONCAT(IFNULL(note, ''), '!')",
        database=db,
    )


def test_a_redis_that_comes_back_with_its_data_ends_equal(source, rig, db, start_server):
    redis = start_server(Redis, *ALL_ON_DISK)
    r = rig(source, workload.tables(db, source.flavour), redis=redis)
    r.daemon.start()
    load = workload.Workload(source, db, 4000).start()
    for part in range(1, 4):
        load.wait_done(part * 1000)
        redis.kill()
        redis.start()
    load.join()
    r.reconnect()
    r.settle(120)
    r.compare()
    r.daemon.stop()


def test_a_redis_that_comes_back_empty_holds_nothing_wrong(source, rig, db, start_server):
    redis = start_server(Redis)
    r = rig(source, workload.tables(db, source.flavour), redis=redis, start="current")
    r.daemon.start()
    r.settle_anew()
    load = workload.Workload(source, db, 3000).start()
    load.wait_done(1500)
    redis.kill()
    redis.start()
    load.join()
    r.reconnect()
    r.settle_anew()
    r.compare(sinks=("hot",), all_there=False)
    touch_all(source, db)
    r.settle()
    r.compare()
    r.daemon.stop()


def test_a_memcached_that_comes_back_empty_holds_nothing_wrong(source, rig, db, start_server):
    memcached = start_server(MemcachedServer)
    r = rig(source, workload.tables(db, source.flavour), memcached=memcached)
    r.daemon.start()
    load = workload.Workload(source, db, 3000).start()
    for part in (1, 2):
        load.wait_done(part * 1000)
        memcached.kill()
        memcached.start()
    load.join()
    r.reconnect()
    r.settle(120)
    r.compare(sinks=("pool",), all_there=False)
    touch_all(source, db)
    r.settle()
    r.compare()
    r.daemon.stop()


@pytest.mark.source
@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_a_source_that_is_killed_is_followed_again(kind, rig, db, start_server):
    source = start_server(kind)
    r = rig(source, workload.tables(db, source.flavour))
    r.daemon.start()
    load = workload.Workload(source, db, 4000, survive=True).start()
    for part in range(1, 4):
        load.wait_done(part * 1000)
        source.kill()
        source.start()
    load.join()
    r.settle(120)
    r.compare()
    r.daemon.stop()


@pytest.mark.source
def test_a_source_that_falls_silent_is_noticed_and_followed_again(rig, db, start_server):
    source = start_server(MariaDB)
    r = rig(source, workload.tables(db, source.flavour))
    r.daemon.start()
    workload.Workload(source, db, 200).start().join()
    r.settle()
    before = len(r.daemon.log)
    source.freeze()
    # The heartbeat is 1 s, and the read deadline three times as long.
    r.daemon.wait_for(lambda: len(r.daemon.log) > before, "a line about the lost source", 10)
    source.thaw()
    workload.Workload(source, db, 200, seed=2).start().join()
    r.settle()
    r.compare()
    r.daemon.stop()


def test_a_frozen_redis_does_not_stop_the_others(mariadb, rig, db, start_server, figures):
    redis = start_server(Redis)
    r = rig(mariadb, workload.tables(db, "mariadb"), redis=redis,
            fastlane={"queue_bytes": "1M"})
    r.daemon.start()
    workload.Workload(mariadb, db, 200).start().join()
    r.settle()
    redis.freeze()
    try:
        workload.Workload(mariadb, db, 6000, seed=2).start().join()
        r.settle(60, sinks=("pool", "log"))
        r.compare(sinks=("pool", "log"))
    finally:
        redis.thaw()
    written = os.path.getsize(r.daemon.out)
    assert written > 2 * 1024 * 1024, "only %d bytes: the queue was not full" % written
    r.settle(120)
    r.compare()
    r.daemon.stop()
    figures("%d bytes passed a queue of 1 MiB that did not move" % written)


def test_a_blocked_plugin_does_not_stop_the_others(mariadb, rig, db, folder):
    gate, output = folder + "/gate", folder + "/output"
    r = rig(mariadb, workload.tables(db, "mariadb"), fastlane={"queue_bytes": "1M"},
            sinks={"slow": {"plugin": "blocker", "gate": gate, "output": output}})
    r.daemon.start()
    workload.Workload(mariadb, db, 6000).start().join()
    r.settle()
    r.compare()
    assert not os.path.exists(output) or os.path.getsize(output) == 0
    open(gate, "w").close()
    last = mariadb.gtids().split(",")[-1]

    def has_all():
        if not os.path.exists(output):
            return False
        with open(output) as file:
            return last in file.read()

    r.daemon.wait_for(has_all, last + " in the blocker's output")
    with open(output) as file:
        lines = file.read().splitlines()
    seen = {transaction.gtid for transaction in r.stream().transactions}
    assert len(lines) == len(set(lines)), "the blocker got a transaction twice"
    missing = [gtid for gtid in seen if not any(gtid in line.split() for line in lines)]
    assert not missing, "the blocker lacks %s" % missing[:5]
    r.daemon.stop()


def test_several_sinks_blocked_one_after_the_other_catch_up(mysql, rig, db, start_server):
    redis, memcached = start_server(Redis), start_server(MemcachedServer)
    r = rig(mysql, workload.tables(db, "mysql"), redis=redis, memcached=memcached,
            fastlane={"queue_bytes": "1M"})
    r.daemon.start()
    load = workload.Workload(mysql, db, 8000).start()
    for part, server in enumerate((redis, memcached, redis, memcached)):
        load.wait_done(part * 2000)
        server.freeze()
        load.wait_done(part * 2000 + 1000)
        server.thaw()
    load.join()
    r.settle(120)
    r.compare()
    r.daemon.stop()
