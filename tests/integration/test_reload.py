# SPDX-License-Identifier: Apache-2.0
"""SIGHUP puts another configuration in force, in the same process: nothing is lost, nothing comes
twice, and what is refused changes nothing."""

import json
import os
import re
import signal
import threading

import pytest

from harness import workload
from harness.caches import in_redis
from harness.daemon import TEST_PLUGINS
from harness.monitor import Monitor
from harness.servers import MariaDB, MemcachedServer, Redis, free_port
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
    r = rig(mariadb, [numbers(db)], sinks={"other": {"plugin": "stdout"}})
    del r.daemon.sections["sink:other"]
    r.daemon.write()
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
    import fcntl
    fcntl.flock(lock, fcntl.LOCK_EX)
    refused(r, "another fastlane uses state_dir = " + re.escape(other))
    lock.close()
    mariadb.run("INSERT INTO num VALUES (1, 'x')", database=db)
    r.settle()
    r.compare()
    assert "lane 0 reads" in r.daemon.log and r.daemon.log.count("lane 0 reads") == 1
    r.daemon.stop()
