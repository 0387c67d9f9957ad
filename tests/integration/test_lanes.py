# SPDX-License-Identifier: Apache-2.0
"""A sink that is down, and one that is merely slow, under load: the others do not wait for it, and it
rides with them again once it is level. FASTLANE_OUTAGE: how many seconds it lasts."""

import os
import time

import pytest

from harness import bank
from harness.http import get
from harness.proxy import Proxy
from harness.reloads import change
from harness.servers import Redis, free_port

OUTAGE = float(os.environ.get("FASTLANE_OUTAGE", 10))
# All of the time that the reader may wait for a full queue in ten seconds is half a second; the rest
# is a busy machine's. Waiting for the sink would be waiting for as long as the outage.
LAG = min(4, OUTAGE / 2)


@pytest.mark.parametrize("how", ["down", "silent", "slow"])
def test_the_others_do_not_wait(how, mariadb, rig, db, start_server, figures):
    redis = start_server(Redis, "--appendonly", "yes")
    proxy = Proxy(redis.port)
    r = rig(mariadb, bank.tables(db), redis=redis, fastlane={"queue_bytes": "1M"}, sinks={
        # Its own time limits are of no help here: it is to hold the queue up.
        "hot": {"plugin": "redis", "address": "127.0.0.1:%d" % proxy.port, "timeout_ms": 600000}})
    port = free_port()
    change(r, http={"listen": "127.0.0.1:%d" % port})
    r.daemon.start()
    r.settle()
    load = bank.Bank(mariadb, db, sessions=6, rate=1000).start()
    try:
        if how == "down":
            redis.kill()
        elif how == "silent":
            proxy.hold()
        else:
            proxy.narrow(5000)
        begin, lags = time.monotonic(), []
        before = load.committed
        while time.monotonic() - begin < OUTAGE:
            marked = time.monotonic()
            r.settle(60, sinks=("log", "pool"))
            lags.append(time.monotonic() - marked)
        during = load.committed - before
        told = {sink["name"]: sink["lag"] for sink in get(port, "/status").json["sinks"]}
        if how == "down":
            redis.start()
        proxy.heal()
        r.reconnect()
        begin = time.monotonic()
        r.settle(120)
        level = time.monotonic() - begin
        load.stop()
        load = None
        assert OUTAGE / 3 < told["hot"] < OUTAGE + 10 and max(told["log"], told["pool"]) < LAG, told
        assert max(lags) < LAG, "the others were %.1f s behind" % max(lags)
        r.settle()
        r.compare()
        r.daemon.stop()
    finally:
        if load:
            load.stop()
        proxy.close()
    if how != "down":
        assert "[hot] goes on in a lane of its own" in r.daemon.log
    assert "[hot] rides with others again" in r.daemon.log
    for other in ("log", "pool"):
        assert "[%s] behind" % other not in r.daemon.log
    figures("%s for %.0f s: %d transactions, the others at most %.2f s behind, level %.1f s after; lag told: %.1f s, "
            "of the others %.1f s" % (
                how, OUTAGE, during, max(lags), level, told["hot"], max(told["log"], told["pool"])))


def test_sinks_of_unlike_speed_catch_up_in_one_lane(mariadb, rig, db, start_server):
    """With what is old already: a lane for the slower one would have the source send it twice."""
    redis = start_server(Redis)
    proxy = Proxy(redis.port)
    proxy.narrow(3_000_000)  # bytes a second, for 12 MB: some seconds, with a queue of 1 MiB
    r = rig(mariadb, bank.tables(db), redis=redis, fastlane={"queue_bytes": "1M"}, sinks={
        "hot": {"plugin": "redis", "address": "127.0.0.1:%d" % proxy.port}})
    note = "x" * 3000
    mariadb.run("SET timestamp = %d" % (time.time() - 3600), *(
        "INSERT INTO bulk VALUES " + ", ".join("(%d, '%s')" % (part * 100 + n, note) for n in range(100))
        for part in range(40)), database=db)
    try:
        r.daemon.start()
        begin = time.monotonic()
        r.settle()
        assert time.monotonic() - begin > 1, "the proxy has slowed nobody down"
        proxy.heal()
        r.compare()
        r.daemon.stop()
    finally:
        proxy.close()
    assert "in a lane of its own" not in r.daemon.log
