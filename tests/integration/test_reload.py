# SPDX-License-Identifier: Apache-2.0
"""SIGHUP puts another configuration in force, in the same process: nothing is lost, nothing comes
twice, and what is refused changes nothing."""

import fcntl
import os
import re
import signal
import threading

import pytest

from harness import workload
from harness.daemon import ENVIRONMENT
from harness.monitor import Monitor
from harness.servers import Redis, free_port
from harness.tables import Column, Table
from harness.wait import wait_for

RELOADS = int(os.environ.get("FASTLANE_RELOADS", 12))


def numbers(db, name="num"):
    return Table(db, name, [Column("id", "int", "int", nullable=False),
                            Column("pad", "varchar(100)", "text")])


class Writer(threading.Thread):
    """Commits rows 1, 2, 3 ..., each a transaction of its own, of two rows: in `num` and in `twin`.
    """

    def __init__(self, source, db):
        super().__init__()
        self.source, self.db = source, db
        self.enough = threading.Event()
        self.count = 0
        self.start()

    def run(self):
        with self.source.connect(self.db) as connection, connection.cursor() as cursor:
            while not self.enough.is_set():
                number = self.count + 1
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO num VALUES (%s, REPEAT('x', 100))", number)
                cursor.execute("INSERT INTO twin VALUES (%s, REPEAT('y', 100))", number)
                cursor.execute("COMMIT")
                self.count = number

    def end(self):
        self.enough.set()
        self.join()


def change(r, **sections):
    """Rewrites the configuration: sections to be replaced by the dicts, or left out for None. As a
    name, sink__hot stands for sink:hot."""
    for name, keys in sections.items():
        name = name.replace("__", ":")
        if keys is None:
            del r.daemon.sections[name]
        else:
            r.daemon.sections[name] = keys
    r.daemon.write()


def reload(r, **sections):
    """... and waits until it is in force."""
    change(r, **sections)
    before = len(re.findall("reloaded ", r.daemon.log))
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(lambda: len(re.findall("reloaded ", r.daemon.log)) > before, "reloaded", 20)


def refused(r, pattern):
    """Sends SIGHUP, and waits until the log has said why the file won't do."""
    before = len(r.daemon.log)
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(
        lambda: re.search(r"the configuration stays as it was", r.daemon.log[before:]), "a refusal")
    said = r.daemon.log[before:]
    assert re.search(pattern, said), said
    assert "reloaded" not in said
    return said


def rules(table, twin, key):
    return {"map__num": table.rule(key=key + ":n:{id}"), "map__twin": twin.rule(key=key + ":t:{id}")}


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


BAD = {
    "unknown key": ("[source]", "[source]\nusr = x", r"fastlane\.ini:\d+: \[source\] usr: unknown key"),
    "unknown plugin": ("plugin = redis", "plugin = rediss", r"fastlane\.ini:\d+: .*rediss"),
    "bad plugin": ("plugin = redis", "plugin = bad_link", r"fastlane\.ini:\d+: .*nobody_defines_this"),
    "broken template": ("num:{id}", "num:{id", r"fastlane\.ini:\d+: .*key"),
    "no section end": ("[source]", "[source", r"fastlane\.ini:\d+: "),
    "bad log level": ("[fastlane]", "[fastlane]\nlog_level = loud", r"fastlane\.ini:\d+: .*loud"),
    "unreadable password file": ("password = repl", "password_file = /nonexistent",
                                 r"fastlane\.ini:\d+: .*/nonexistent"),
}


def test_a_bad_file_is_refused_and_the_old_goes_on(mariadb, rig, db, folder):
    r = rig(mariadb, [numbers(db)])
    r.daemon.start()
    r.settle()
    with open(r.daemon.config) as file:
        good = file.read()
    for name, (old, new, said) in BAD.items():
        assert old in good, name
        with open(r.daemon.config, "w") as file:
            file.write(good.replace(old, new, 1))
        refused(r, said)
    os.remove(r.daemon.config)
    refused(r, r"fastlane\.ini:1: the file can't be read")
    os.mkfifo(r.daemon.config)
    refused(r, r"fastlane\.ini:1: it is no regular file")
    os.remove(r.daemon.config)
    # Well-formed, but nothing that could be used: known only once the source was asked.
    reach = r.daemon.sections["source"]
    change(r, source={**reach, "password": "wrong"})
    refused(r, "(?i)access denied.*")
    change(r, source={**reach, "server_id": mariadb.value("SELECT @@server_id")})
    refused(r, "server_id .* is the source's own")
    other = folder + "/other"
    os.mkdir(other)
    change(r, source=reach, fastlane={"state_dir": other})
    lock = open(other + "/fastlane.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    refused(r, "another fastlane uses state_dir = " + re.escape(other))
    lock.close()
    mariadb.run("INSERT INTO num VALUES (1, 'x')", database=db)
    r.settle()
    r.compare()
    assert "lane 0 reads" in r.daemon.log and r.daemon.log.count("lane 0 reads") == 1
    r.daemon.stop()


def insert(source, db, *ids, table="num"):
    source.run("INSERT INTO %s VALUES %s" % (table, ", ".join("(%d, 'x')" % n for n in ids)),
               database=db)


def ids_in_stream(r, **options):
    stream = r.stream(**options)
    return [int(c["row"]["id"].text) for t in stream.transactions for c in t.changes
            if c["table"] == "num"]


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
            r.daemon.wait_for(lambda: len(monitor.written(key + ":t:")) > 100 * turn + 100,
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


def test_during_start_up(mariadb, rig, db):
    """A source that does not answer is given up for another one."""
    table = numbers(db)
    r = rig(mariadb, [table])
    reach = r.daemon.sections["source"]
    lost = {**{k: v for k, v in reach.items() if k != "socket"}, "host": "127.0.0.1"}
    change(r, source={**lost, "port": free_port()})
    r.daemon.start()
    r.daemon.wait_log(r"source 127\.0\.0\.1:\d+: ")
    change(r, source={**lost, "port": "none"})
    refused(r, r"fastlane\.ini:\d+: \[source\] port")
    # Two that do not answer either, and a good one: the newest counts.
    for _ in range(2):
        change(r, source={**lost, "port": free_port()})
        before = len(r.daemon.log)
        r.daemon.signal(signal.SIGHUP)
        r.daemon.wait_for(lambda: "its source does not answer" in r.daemon.log[before:], "a warning")
    assert "reloaded" not in r.daemon.log
    reload(r, source=reach)
    insert(mariadb, db, 1)
    r.settle()
    r.compare()
    # The same while it runs: the old one goes on.
    change(r, source={**lost, "port": free_port()})
    before = len(r.daemon.log)
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(lambda: "its source does not answer" in r.daemon.log[before:], "a warning")
    insert(mariadb, db, 2)
    r.settle()
    # And the source by another way.
    reload(r, source={**lost, "port": mariadb.port})
    insert(mariadb, db, 3)
    r.settle()
    r.compare()
    r.daemon.stop()


def test_the_host_in_use_stays_so(mariadb, rig, db):
    """Nobody goes back by himself to a host that was left."""
    dead = free_port()
    table = numbers(db)
    r = rig(mariadb, [table], hosts="127.0.0.1:%d, 127.0.0.1:%d" % (dead, mariadb.port))
    r.daemon.start()
    r.settle()
    tried = r.daemon.log.count("source 127.0.0.1:%d: " % dead)
    assert tried
    reload(r, map__num=table.rule(ttl=1000))
    insert(mariadb, db, 1)
    r.settle()
    assert r.daemon.log.count("source 127.0.0.1:%d: " % dead) == tried
    r.daemon.stop()


def test_sigterm_during_a_reload_ends_it_in_order(mariadb, rig, db, start_server, figures):
    redis = start_server(Redis)
    table = numbers(db)
    r = rig(mariadb, [table], redis=redis)
    r.daemon.start()
    insert(mariadb, db, 1)
    r.settle()
    redis.freeze()
    try:
        insert(mariadb, db, 2)
        r.settle(sinks=("pool", "log"))
        reload(r, map__num=table.rule(ttl=1000))
        r.daemon.signal(signal.SIGHUP)
        took = r.daemon.stop(5)
    finally:
        redis.thaw()
    r.daemon.start()
    insert(mariadb, db, 3)
    r.settle()
    r.compare()
    r.daemon.stop()
    figures("ended %.2f s after SIGTERM" % took)


def test_the_log_level_changes(mariadb, rig, db):
    r = rig(mariadb, [numbers(db)])
    r.daemon.start()
    r.settle()
    keys = r.daemon.sections["fastlane"]
    reload(r, fastlane={**keys, "log_level": "error"})
    before = len(r.daemon.log)
    r.daemon.signal(signal.SIGHUP)
    r.settle()
    # What is an error is still told.
    change(r, fastlane={**keys, "log_level": "loud"})
    said = refused(r, "loud")
    assert not re.search("^[^ ]+ (info|warn)", said + r.daemon.log[before:], re.MULTILINE)
    reload(r, fastlane={**keys, "log_level": "info"})
    r.daemon.wait_for(lambda: re.search(r"lane \d+ reads", r.daemon.log[before:]), "the lanes' lines")
    r.settle()
    r.compare()
    r.daemon.stop()


def test_a_halted_sink_is_mended_by_a_reload(mariadb, rig, db):
    table = numbers(db)
    r = rig(mariadb, [table])
    pool = r.daemon.sections["sink:pool"]
    change(r, sink__pool={**pool, "clear": "halt"})
    r.daemon.start()
    insert(mariadb, db, 1)
    r.settle()
    mariadb.run("TRUNCATE num", database=db)
    r.daemon.wait_log(r"\[pool\] halted")
    insert(mariadb, db, 2)
    reload(r, sink__pool={**pool, "clear": "flush"})
    r.settle()
    r.compare()
    r.daemon.stop(code=0)


def test_the_state_directory_is_never_free_and_may_move(mariadb, rig, db, folder):
    table = numbers(db)
    r = rig(mariadb, [table])
    r.daemon.start()
    insert(mariadb, db, 1)
    r.settle()
    enough, taken = threading.Event(), []

    def try_it():
        with open(r.daemon.dir + "/state/fastlane.lock") as lock:
            while not enough.is_set():
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken.append(True)
                    return
                except BlockingIOError:
                    pass

    thief = threading.Thread(target=try_it)
    thief.start()
    try:
        for turn in range(6):
            reload(r, map__num=table.rule(ttl=1000 + turn))
        # The same by another name.
        os.symlink(r.daemon.dir + "/state", folder + "/link")
        reload(r, fastlane={"state_dir": folder + "/link"})
        insert(mariadb, db, 2)
        r.settle()
    finally:
        enough.set()
        thief.join()
    assert not taken
    # Elsewhere there is no position, but the process knows it.
    os.mkdir(folder + "/moved")
    reload(r, fastlane={"state_dir": folder + "/moved"})
    insert(mariadb, db, 3)
    r.settle()
    with open(r.daemon.dir + "/state/fastlane.lock") as lock:
        r.daemon.wait_for(lambda: is_free(lock), "the old lock to be free")
    with open(folder + "/moved/fastlane.lock") as lock:
        assert not is_free(lock)
    r.daemon.stop()
    assert os.path.exists(folder + "/moved/log.position")
    r.daemon.start()
    insert(mariadb, db, 4)
    r.settle()
    assert ids_in_stream(r) == [1, 2, 3, 4]
    r.compare()
    r.daemon.stop()


def is_free(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


@pytest.mark.parametrize("how", ["until-current", "binlog-file"])
def test_a_run_that_ends_by_itself_is_ended_by_it(how, mariadb, rig, db, folder):
    gate, output = folder + "/gate", folder + "/output"
    r = rig(mariadb, [numbers(db)], sinks={
        "slow": {"plugin": "blocker", "gate": gate, "output": output}})
    insert(mariadb, db, 1)
    files = [line[0] for line in mariadb.run("SHOW BINARY LOGS")]
    data = mariadb.value("SELECT @@datadir")
    r.daemon.start(*(["--until-current"] if how == "until-current" else
                     ["--binlog-file", *(os.path.join(data, name) for name in files)]))
    r.daemon.wait_log("blocked until")
    r.daemon.signal(signal.SIGHUP)
    assert r.daemon.wait(10) == 5
    assert "reads" not in r.daemon.log[r.daemon.log.index("stopping"):]


def test_reloads_leave_nothing_behind(mariadb, rig, db, monkeypatch, figures):
    """Memory that nobody owns any more would fail the run at its end; what is owned and grows shows in
    what the process holds."""
    monkeypatch.setitem(ENVIRONMENT, "ASAN_OPTIONS",
                        ENVIRONMENT["ASAN_OPTIONS"] + ":quarantine_size_mb=1")
    table = numbers(db)
    r = rig(mariadb, [table], fastlane={"log_level": "warn"})
    r.daemon.start()
    r.settle()
    proc = "/proc/%d/" % r.daemon.process.pid

    def held():
        with open(proc + "statm") as file:
            pages = int(file.read().split()[1])
        return pages * os.sysconf("SC_PAGESIZE"), len(os.listdir(proc + "fd")), len(
            os.listdir(proc + "task"))

    def some(count, base):
        for turn in range(count):
            # Each is in force once its rules are seen.
            change(r, map__num=table.rule(key="%d:{id}" % (base + turn)))
            before = r.daemon.log.count("its source")
            r.daemon.signal(signal.SIGHUP)
            number = base + turn
            r.daemon.wait_for(lambda: seen(number), "row %d under the new rules" % number)
            assert r.daemon.log.count("its source") == before

    ids = iter(range(1, 1000000))

    def seen(number):
        insert(mariadb, db, next(ids))
        return any(r.redis.scan_iter("%d:*" % number))

    some(30, 1000)
    r.settle()
    memory, files, threads = held()
    some(100, 2000)
    r.settle()
    more, files_after, threads_after = held()
    figures("100 reloads: %+d KiB, %d files, %d threads" % (
        (more - memory) // 1024, files_after, threads_after))
    assert more - memory < 8 << 20
    assert (files_after, threads_after) == (files, threads)
    r.daemon.stop()
