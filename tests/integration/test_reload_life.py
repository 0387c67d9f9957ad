# SPDX-License-Identifier: Apache-2.0
"""SIGHUP at any moment of the daemon's life, and with files and sources that won't do: what is refused
changes nothing."""

import fcntl
import os
import re
import signal
import threading

import pytest

from harness.daemon import ENVIRONMENT
from harness.reloads import change, ids_in_stream, insert, numbers, refused, reload
from harness.servers import Redis, free_port


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
    assert "stopping" in r.daemon.log
    assert "SIGHUP: reads" not in r.daemon.log


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
