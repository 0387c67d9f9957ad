# SPDX-License-Identifier: Apache-2.0
"""The source has no longer what is behind a position: `on_purged`."""

import re

import pytest

from harness.proxy import Proxy
from harness.replication import catch_up, hosts, pair
from harness.servers import MariaDB, MySQL
from test_failover import insert, numbers, refused
from test_start import purge

pytestmark = pytest.mark.source


@pytest.fixture(params=[MariaDB, MySQL])
def own(request, start_server):
    return start_server(request.param)


def fall_behind(r, db, *options):
    """Rows in the caches, then a gap in which one of them changed and another one was deleted."""
    insert(r.source, db, 1, 2, 3)
    assert r.daemon.run("--until-current") == 0
    r.source.run("UPDATE num SET n = 100 WHERE id = 1", "DELETE FROM num WHERE id = 2", database=db)
    purge(r.source)


def test_halt_says_what_to_do(own, rig, db):
    r = rig(own, [numbers(db)])
    fall_behind(r, db)
    assert r.daemon.run() == 4
    halted = re.findall(r"\[(\w+)\] halted: .*no longer all of the binlog.*on_purged = current", r.daemon.log)
    assert sorted(halted) == ["hot", "log", "pool"]
    assert r.redis.exists("num:2")  # as it was


@pytest.mark.parametrize("until", [False, True])
def test_current_clears_all_and_goes_on(own, until, rig, db):
    r = rig(own, [numbers(db)], on_purged="current")
    fall_behind(r, db)
    assert r.redis.exists("num:1") and r.redis.exists("num:2")
    r.redis.set("not:ours", "1")
    if until:
        assert r.daemon.run("--until-current") == 0
    else:
        r.daemon.start()
        r.daemon.wait_log("all mapped keys are cleared")
        r.settle_anew()
    for number in (1, 2, 3):
        assert not r.redis.exists("num:%d" % number)
        assert r.memcached.get("num:%d" % number) is None
    assert r.redis.exists("not:ours")
    if until:
        r.daemon.start()
    insert(own, db, 4)
    own.run("UPDATE num SET n = 5 WHERE id = 3", database=db)
    r.settle()
    r.compare(sinks=("hot", "pool"), all_there=False)
    assert r.redis.exists("num:3") and r.redis.exists("num:4") and not r.redis.exists("num:1")
    assert len(re.findall("all mapped keys are cleared: changes are missed", r.daemon.log)) == 1
    with open(r.daemon.out) as file:
        doubts = [line for line in file if '"op":"doubt"' in line]
    assert len(doubts) == 1 and '"commit":true' in doubts[0]
    assert '"db":"","table":""' in doubts[0] and "on_purged = current" in doubts[0]
    # Nothing is cleared once more after a restart.
    r.daemon.stop()
    r.daemon.start()
    insert(own, db, 5)
    r.settle()
    assert r.redis.exists("num:4")
    assert len(re.findall("all mapped keys are cleared", r.daemon.log)) == 1
    r.daemon.stop()


def test_a_sink_that_cannot_clear_halts(own, rig, db, memcached):
    r = rig(own, [numbers(db)], on_purged="current", sinks={
        "pool": {"plugin": "memcached", "servers": "127.0.0.1:%d" % memcached.port,
                 "clear": "halt"}})
    fall_behind(r, db)
    r.daemon.start()
    r.daemon.wait_log(r"\[pool\] halted: ")
    insert(own, db, 4)
    r.settle(sinks=("hot", "log"))
    assert not r.redis.exists("num:2")
    assert r.memcached.get("num:2") is not None and r.memcached.get("num:4") is None
    r.daemon.stop(code=4)
    # It has not moved: a restart does not pass over the gap either.
    r.daemon.start()
    r.daemon.wait_for(lambda: len(re.findall(r"\[pool\] halted: ", r.daemon.log)) == 2,
                      "halted once more")
    r.daemon.stop(code=4)


def test_with_doubts_that_halt_all_sinks_do(own, rig, db):
    r = rig(own, [numbers(db)], on_purged="current", on_doubt="halt")
    fall_behind(r, db)
    assert r.daemon.run() == 4
    assert len(re.findall(r"\] halted: ", r.daemon.log)) == 3, r.daemon.log
    assert r.redis.exists("num:2")


def test_a_source_that_is_purged_while_it_is_away(own, rig, db):
    """The daemon runs all along."""
    proxy = Proxy(own.port)
    r = rig(own, [numbers(db)], on_purged="current", host="127.0.0.1", port=proxy.port)
    r.daemon.start()
    insert(own, db, 1, 2)
    r.settle()
    proxy.hold()
    r.daemon.wait_log("lost the source")
    own.run("DELETE FROM num WHERE id = 1", database=db)
    purge(own)
    proxy.release()
    r.daemon.wait_log("all mapped keys are cleared")
    insert(own, db, 3)
    r.settle()
    assert not r.redis.exists("num:1")
    r.compare(sinks=("hot", "pool"), all_there=False)
    r.daemon.stop()
    proxy.close()


@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_another_host_that_still_has_it_is_used_instead(kind, rig, db, start_server):
    primary, replica = pair(start_server, kind)
    r = rig(primary, [numbers(db)], on_purged="current", hosts=hosts(primary, replica))
    catch_up(replica, primary)
    fall_behind(r, db)
    catch_up(replica, primary)
    r.daemon.start()
    r.daemon.wait_for(lambda: refused(r, primary), "the primary refused")
    insert(primary, db, 4)
    r.settle()
    r.compare()
    assert "all mapped keys are cleared" not in r.daemon.log
    r.daemon.stop()


@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_when_no_host_has_it_the_one_that_is_there_is_gone_on_with(kind, rig, db, start_server):
    primary, replica = pair(start_server, kind)
    r = rig(primary, [numbers(db)], on_purged="current", hosts=hosts(replica, primary))
    catch_up(replica, primary)
    fall_behind(r, db)
    catch_up(replica, primary)
    replica.kill()
    r.daemon.start()
    r.daemon.wait_log("all mapped keys are cleared")
    insert(primary, db, 4)
    r.settle()
    r.compare(sinks=("hot", "pool"), all_there=False)
    assert not r.redis.exists("num:2")
    r.daemon.stop()
