# SPDX-License-Identifier: Apache-2.0
"""SIGHUP puts another configuration in force, in the same process: nothing is lost, nothing comes
twice."""

import os
import re
import signal

import pytest

from harness import workload
from harness.monitor import Monitor
from harness.reloads import Writer, change, ids_in_stream, insert, numbers, reload, rules
from harness.servers import Redis
from harness.wait import wait_for

RELOADS = int(os.environ.get("FASTLANE_RELOADS", 12))


@pytest.mark.source
def test_reloads_under_load_lose_and_repeat_nothing(source, rig, db, figures):
    """Two sets of rules by turns: each row comes under one of them, once and in order, and both rows
    of a transaction under the same."""
    table, twin = numbers(db), numbers(db, "twin")
    r = rig(source, [table, twin])
    change(r, **rules(table, twin, "a"))
    monitor = Monitor(r.redis_server.port)
    r.daemon.start()
    pid = r.daemon.process.pid
    writer = Writer(source, db)
    try:
        for turn in range(RELOADS):
            seen = len(monitor.written("ab"[turn % 2] + ":t:"))
            r.daemon.wait_for(lambda: len(monitor.written("ab"[turn % 2] + ":t:")) > seen + 100,
                              "100 more rows in Redis")
            reload(r, **rules(table, twin, "ba"[turn % 2]))
    finally:
        writer.end()
    r.settle()
    wait_for(lambda: monitor.written("marker:"), "the mark in MONITOR")
    monitor.close()
    every = [key for key in monitor.written("") if re.match("[ab]:", key)]
    expected, turns = [], 0
    for n in range(1, writer.count + 1):
        rule = every[len(expected)][0] if len(expected) < len(every) else "?"
        turns += bool(expected) and expected[-1][0] != rule
        expected += ["%s:n:%d" % (rule, n), "%s:t:%d" % (rule, n)]
    assert every == expected
    assert turns == RELOADS
    # What was made under other rules stays, as nobody knows of it any more.
    assert len(list(r.redis.scan_iter("[ab]:*"))) == len(every)
    pool = {key for key in r.memcached.keys() if re.match("[ab]:", key)}
    assert {key[2:] for key in pool} == {key[2:] for key in every}
    stream = r.stream()  # nothing twice, nothing torn
    rows = [c["row"]["id"].text for t in stream.transactions for c in t.changes if c["table"] == "num"]
    assert rows == [str(n) for n in range(1, writer.count + 1)]
    assert r.daemon.process.pid == pid
    r.daemon.stop()
    figures("%d transactions, %d reloads" % (writer.count, RELOADS))


def test_reloads_in_a_mixed_workload_end_equal(source, rig, db):
    """The same rules over and over, with other settings of the sinks and sources; signals that come
    before the last is done."""
    r = rig(source, workload.tables(db, source.flavour))
    r.daemon.start()
    load = workload.Workload(source, db, 4000, seed="reload").start()
    for part in range(1, 11):
        load.wait_done(part * 400)
        r.daemon.sections["sink:hot"]["pipeline"] = 1 + part % 4
        r.daemon.sections["fastlane"]["queue_bytes"] = "%dM" % (1 + part % 3)
        reload(r)
        r.daemon.signal(signal.SIGHUP)
        r.daemon.signal(signal.SIGHUP)
    load.join()
    r.settle(120)
    r.compare()
    r.daemon.stop()


def test_a_frozen_redis_holds_up_nobody_and_gets_each_change_once(mariadb, rig, db, start_server,
                                                                 figures):
    """What was under way when it froze is settled or read again, under one set of rules."""
    redis = start_server(Redis)
    table, twin = numbers(db), numbers(db, "twin")
    r = rig(mariadb, [table, twin], redis=redis)
    change(r, **rules(table, twin, "a"))
    # Its own time limit is of no help.
    r.daemon.sections["sink:hot"]["timeout_ms"] = 600000
    r.daemon.write()
    monitor = Monitor(redis.port)
    r.daemon.start()
    writer = Writer(mariadb, db)
    try:
        for turn in range(3):
            key = "ab"[turn % 2]
            # Of the rules that are in force, so that it is at work and not just opening.
            seen = len(monitor.written(key + ":t:"))
            r.daemon.wait_for(lambda: len(monitor.written(key + ":t:")) > seen + 100,
                              "rows in Redis")
            redis.freeze()
            reload(r, **rules(table, twin, "ba"[turn % 2]))
            # The others go on by the new rules meanwhile.
            r.settle(10, sinks=("pool", "log"))
            r.daemon.wait_log(r"(\[hot\] does not answer: is interrupted(.|\n)*){%d}" % (turn + 1))
            redis.thaw()
    finally:
        redis.thaw()
        writer.end()
    r.settle()
    wait_for(lambda: monitor.written("marker:%d" % r.marks), "the mark in MONITOR")
    monitor.close()
    every = [key for key in monitor.written("") if re.match("[ab]:", key)]
    expected = []
    for n in range(1, writer.count + 1):
        rule = every[len(expected)][0] if len(expected) < len(every) else "?"
        expected += ["%s:n:%d" % (rule, n), "%s:t:%d" % (rule, n)]
    assert every == expected
    assert ids_in_stream(r) == list(range(1, writer.count + 1))
    r.daemon.stop()
    figures("%d transactions, each once" % writer.count)


def test_a_sink_that_would_repeat_is_waited_for_unless_it_is_changed(mariadb, rig, db, folder):
    gate, output = folder + "/gate", folder + "/output"
    table = numbers(db)
    slow = {"plugin": "blocker", "gate": gate, "output": output}
    r = rig(mariadb, [table], sinks={"slow": slow})
    r.daemon.start()
    insert(mariadb, db, 1)
    r.settle()
    r.daemon.wait_log("blocked until")
    reload(r, map__num=table.rule(ttl=1000))
    insert(mariadb, db, 2)
    r.settle()
    r.daemon.wait_log(r"\[slow\] does not answer: goes on under the new configuration once")
    # And once more: it still has the first one's to settle.
    reload(r, map__num=table.rule(ttl=2000))
    insert(mariadb, db, 3)
    r.settle()
    assert 1000 < r.redis.ttl("num:3") <= 2000 and 0 < r.redis.ttl("num:2") <= 1000
    open(gate, "w").close()
    last = mariadb.gtids().split(",")[-1]

    def lines():
        with open(output) as file:
            return file.read().splitlines()

    r.daemon.wait_for(lambda: any(last in line.split() for line in lines()), last + " in the output")
    wanted = {transaction.gtid for transaction in r.stream().transactions}
    seen = [line.split()[0] for line in lines() if int(line.split()[2]) > 0]
    assert len(seen) == len(set(seen)) and wanted <= set(seen)

    # Changed, it is not waited for: what it had not taken is taken by the new one.
    os.remove(gate)
    insert(mariadb, db, 4)
    r.settle()
    r.daemon.wait_for(lambda: r.daemon.log.count("blocked until") > 1, "the gate to be closed")
    other = folder + "/other"
    reload(r, sink__slow={**slow, "gate": output, "output": other})
    r.daemon.wait_log(r"\[slow\] does not answer: is interrupted")
    last = mariadb.gtids().split(",")[-1]
    r.daemon.wait_for(lambda: os.path.exists(other) and last in open(other).read(), "the new one")
    assert last not in "".join(lines())
    r.daemon.stop()


def test_sinks_come_and_go_and_lose_nothing(mariadb, rig, db):
    table = numbers(db)
    r = rig(mariadb, [table], start="current")
    hot = r.daemon.sections["sink:hot"]
    r.daemon.start()
    r.settle_anew()
    insert(mariadb, db, 1)
    r.settle()
    reload(r, sink__hot=None, sink__pool=None)
    insert(mariadb, db, 2)
    r.settle(sinks=("log",))
    assert not r.redis.exists("num:2") and not r.redis.exists("num:2")
    assert os.path.exists(r.daemon.position_file("hot"))
    # Back again, it goes on where it was; one that is new begins at `start`.
    reload(r, sink__hot=hot, sink__fresh={**hot, "database": 1})
    insert(mariadb, db, 3)
    r.settle(sinks=("hot", "log"))
    assert r.redis.exists("num:1", "num:2", "num:3") == 3
    fresh = r.redis_server.client()
    fresh.select(1)
    r.daemon.wait_for(lambda: fresh.exists("num:3"), "the new sink's row")
    assert not fresh.exists("num:2")
    assert ids_in_stream(r) == [1, 2, 3]
    # Under another name it is another one, and begins at `start`.
    reload(r, sink__hot=None, sink__fresh=None, sink__warm=hot)
    insert(mariadb, db, 4)
    r.settle(sinks=("hot", "log"))
    assert r.redis.exists("fastlane:position:warm")
    r.daemon.stop()


def test_a_sink_that_was_never_reached_begins_where_it_was_to(mariadb, rig, db, start_server):
    """`start` = current is what was current when the daemon was started, not when it was reloaded."""
    redis = start_server(Redis)
    table = numbers(db)
    r = rig(mariadb, [table], redis=redis, start="current")
    redis.kill()
    r.daemon.start()
    r.settle_anew(sinks=("pool", "log"))
    first = r.marks
    insert(mariadb, db, 1)
    reload(r, map__num=table.rule(ttl=1000))
    insert(mariadb, db, 2)
    reload(r, map__num=table.rule(ttl=2000))
    insert(mariadb, db, 3)
    redis.start()
    r.reconnect()
    r.settle()
    r.compare(sinks=("hot", "pool"))
    assert r.redis.exists("marker:%d" % first)
    r.daemon.stop()


def test_a_transaction_in_parts_comes_under_one_set_of_rules(mariadb, rig, db, start_server, figures):
    redis = start_server(Redis)
    table = numbers(db)
    r = rig(mariadb, [table], redis=redis, 
            fastlane={"transaction_bytes": "1M", "queue_bytes": "256M"})
    change(r, map__num=table.rule(key="a:{id}"))
    monitor = Monitor(redis.port)
    r.daemon.start()
    r.settle()
    count = 120000
    mariadb.run("INSERT INTO num SELECT seq, REPEAT('x', 100) FROM seq_1_to_%d" % count, database=db)
    r.daemon.wait_for(lambda: len(monitor.written("a:")) > 100, "the first rows in Redis")
    reload(r, map__num=table.rule(key="b:{id}"))
    during = len(monitor.written("a:"))
    assert during < count, "all was there before the reload was"
    insert(mariadb, db, count + 1)
    r.settle(120)
    wait_for(lambda: monitor.written("marker:%d" % r.marks), "the mark in MONITOR")
    monitor.close()
    every = [key for key in monitor.written("") if re.match("[ab]:", key)]
    assert every == ["a:%d" % n for n in range(1, count + 1)] + ["b:%d" % (count + 1)]
    assert ids_in_stream(r) == list(range(1, count + 2))
    r.daemon.stop()
    figures("%d of %d rows in Redis when the new rules were in force" % (during, count))
