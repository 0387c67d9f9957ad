# SPDX-License-Identifier: Apache-2.0
"""memcached: nothing is lost or stale whatever becomes of the connections, in either protocol."""

import os
import random
import threading
import time

import pytest

from harness import workload
from harness.memcached_proxy import FAULTS, Proxy
from harness.servers import MemcachedServer
from harness.tables import Column, Table

SEED = int(os.environ.get("FASTLANE_SEED", "1"))
FAULT_COUNT = int(os.environ.get("FASTLANE_FAULTS", "30"))


class Pool:
    """Several servers as one client; a key may be on one of them at most."""

    def __init__(self, clients):
        self.clients = clients

    def keys(self):
        return set().union(*(client.keys() for client in self.clients))

    def get(self, key):
        found = [value for value in (client.get(key) for client in self.clients)
                 if value is not None]
        assert len(found) < 2, "%s is on two servers" % key
        return found[0] if found else None


@pytest.fixture
def proxies():
    made = []

    def make(server, **options):
        made.append(Proxy(server, **options))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.mark.parametrize("order, count", [("batch", 1), ("batch", 2), ("strict", 2)])
def test_random_cuts_lose_nothing_and_leave_nothing_stale(
        order, count, mariadb, rig, db, start_server, proxies, figures):
    chance = random.Random("%d %s %d" % (SEED, order, count))
    servers = [start_server(MemcachedServer) for _ in range(count)]
    before = [proxies(server, seed=chance.random()) for server in servers]
    r = rig(mariadb, workload.tables(db, "mariadb"), sinks={"pool": {
        "plugin": "memcached", "order": order, "timeout_ms": 200,
        "servers": ",".join("127.0.0.1:%d" % proxy.port for proxy in before)}})
    r.memcached = Pool([server.client() for server in servers])
    r.daemon.start()
    load = workload.Workload(mariadb, db, 10**6, seed=SEED).start()
    made = dict.fromkeys(FAULTS, 0)
    try:
        for _ in range(FAULT_COUNT):
            fault = chance.choice(FAULTS)
            chance.choice(before).make(fault)
            made[fault] += 1
            r.daemon.check_running()
    finally:
        for session in load.sessions:
            session.count = 0
    load.join()
    r.settle(120, sinks=("pool",))
    rows, values = r.compare(sinks=("pool",))
    lost = r.daemon.log.count("[pool] 127.0.0.1")
    r.daemon.stop()
    figures("seed %d: %d transactions, faults %s, %d connections given up; %d rows, %d values equal"
            % (SEED, load.committed, made, lost, rows, values))


def test_a_server_without_the_meta_protocol_is_served_one_operation_at_a_time(
        source, rig, db, proxies, memcached):
    proxy = proxies(memcached, is_old=True)
    r = rig(source, workload.tables(db, source.flavour), sinks={"pool": {
        "plugin": "memcached", "servers": "127.0.0.1:%d" % proxy.port}})
    r.daemon.start()
    workload.Workload(source, db, 1000).start().join()
    r.settle()
    r.compare(sinks=("pool",))
    assert "[pool] one operation at a time" in r.daemon.log
    r.daemon.stop()


def test_a_server_that_was_restarted_or_emptied_is_noticed(mariadb, rig, db, start_server):
    memcached = start_server(MemcachedServer)
    r = rig(mariadb, workload.tables(db, "mariadb"), memcached=memcached)
    name = "127.0.0.1:%d" % memcached.port
    r.daemon.start()
    r.settle()
    memcached.kill()
    memcached.start()
    r.reconnect()
    r.settle()
    r.daemon.wait_log(r"\[pool\] %s was restarted .*1 so far" % name)
    r.memcached.send("flush_all")
    assert r.memcached.line() == b"OK"
    r.settle()
    r.daemon.wait_log(r"\[pool\] %s was emptied by somebody.*2 so far" % name)
    assert r.daemon.log.count("so far") == 2
    r.daemon.stop()


def test_after_a_crash_no_more_comes_again_than_of_the_last_seconds(
        mariadb, rig, db, start_server, figures):
    table = Table(db, "num", [Column("id", "int", "int", nullable=False)])
    memcached = start_server(MemcachedServer)
    r = rig(mariadb, [table], memcached=memcached)
    enough = threading.Event()
    committed = []

    def insert():
        with mariadb.connect(db) as connection, connection.cursor() as cursor:
            while not enough.is_set():
                cursor.execute("INSERT INTO num VALUES (%s)", len(committed))
                committed.append(time.monotonic())

    def sets():
        return int(r.memcached.stats()[b"cmd_set"])

    r.daemon.start()
    r.settle()
    writer = threading.Thread(target=insert)
    started = time.monotonic()
    writer.start()
    try:
        r.daemon.wait_for(lambda: time.monotonic() > started + 8, "eight seconds of changes")
        before = len(committed)
        r.daemon.wait_for(lambda: r.memcached.get("num:%d" % before), "the sink is level")
    finally:
        r.daemon.kill()
        killed = time.monotonic()
        enough.set()
        writer.join()
    first = sets()
    r.daemon.start()
    r.settle()
    # Of these, one is the mark and one the canary; the last row may not have been there before.
    again = sets() - first - 2
    assert 0 <= again <= len(committed)
    since = killed - committed[-again] if again else 0
    assert since < 2, "%d changes of %.1f s came again" % (again, since)
    r.compare(sinks=("pool",))
    r.daemon.stop()
    figures("%d of %d changes came (again), those of the last %.2f s" % (again, len(committed), since))
