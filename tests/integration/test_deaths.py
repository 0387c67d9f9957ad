# SPDX-License-Identifier: Apache-2.0
"""How long it takes until each kind of death is noticed, and that all is well again without a restart
once it is over. Nobody spins meanwhile."""

import os
import re
import time

import pytest

from harness import bank
from harness.proxy import Proxy
from harness.servers import MariaDB, MemcachedServer, Redis

SLACK = 2  # seconds that a busy machine may add
SIGNS = {"source": r"(warn |error) lost the source|can't connect to the source",
         "redis": r"warn  \[hot\]", "memcached": r"warn  \[pool\]"}
# Seconds: heartbeat 1, three of which may be missed; timeout_ms of Redis; that of memcached.
SILENCE = {"source": 3, "redis": 1, "memcached": 0.5}

DEATHS = ["killed", "reset", "closed", "half-closed", "paused", "silent", "silent one way"]


def cpu_seconds(process):
    with open("/proc/%d/stat" % process.pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("victim", ["source", "redis", "memcached"])
def test_each_death_is_noticed_in_time(victim, rig, db, start_server, figures):
    servers = {"source": start_server(MariaDB), "redis": start_server(Redis, "--appendonly", "yes"),
               "memcached": start_server(MemcachedServer)}
    server = servers[victim]
    proxy = Proxy(server.port)
    options = {"sinks": {"hot": {"plugin": "redis", "timeout_ms": 1000,
                                 "address": "127.0.0.1:%d" % servers["redis"].port},
                         "pool": {"plugin": "memcached",
                                  "servers": "127.0.0.1:%d" % servers["memcached"].port}}}
    if victim == "source":
        options.update(host="127.0.0.1", port=proxy.port)
    elif victim == "redis":
        options["sinks"]["hot"]["address"] = "127.0.0.1:%d" % proxy.port
    else:
        options["sinks"]["pool"]["servers"] = "127.0.0.1:%d" % proxy.port
    r = rig(servers["source"], bank.tables(db), redis=servers["redis"],
            memcached=servers["memcached"], **options)
    r.daemon.start()
    r.settle()
    load = bank.Bank(servers["source"], db, rate=100).start()

    def noticed(before, limit):
        """Seconds until a line about it."""
        begin = time.monotonic()
        r.daemon.wait_for(lambda: re.search(SIGNS[victim], r.daemon.log[before:]),
                          "a line about the " + victim, limit + 30)
        return time.monotonic() - begin

    try:
        for death in DEATHS:
            silent = death in ("paused", "silent", "silent one way")
            limit = SILENCE[victim] if silent else 0
            before = len(r.daemon.log)
            if death == "killed":
                server.kill()
            elif death in ("reset", "closed"):
                proxy.cut("reset" if death == "reset" else "close")
            elif death == "half-closed":
                proxy.half_close("client")
            elif death == "paused":
                server.freeze()
            else:
                proxy.hold(*(["down"] if death == "silent one way" else []))
            seconds = noticed(before, limit)
            assert seconds < limit + SLACK, "%s %s: noticed after %.2f s" % (victim, death, seconds)

            # While it lasts it is tried again, but neither busily nor chattily.
            spent, lines, begin = cpu_seconds(r.daemon.process), r.daemon.log.count("\n"), time.time()
            if silent or death == "killed":
                r.daemon.wait_for(lambda: time.time() - begin > 3, "three seconds")
                busy = (cpu_seconds(r.daemon.process) - spent) / (time.time() - begin)
                told = r.daemon.log.count("\n") - lines
                assert busy < 0.8 and told < 30, "%s %s: %.2f s of processor time a second, %d " \
                    "lines" % (victim, death, busy, told)
            if death == "killed":
                server.start()
            elif death == "paused":
                server.thaw()
            proxy.heal()
            r.reconnect()
            begin = time.monotonic()
            r.settle(60)
            figures("%s %s: noticed after %.2f s, level again %.1f s after its end" % (
                victim, death, seconds, time.monotonic() - begin))
    finally:
        load.stop()
        r.daemon.kill()
        proxy.close()
