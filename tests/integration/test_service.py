# SPDX-License-Identifier: Apache-2.0
"""fastlane as a service: what its manager is told, and the formats of its log."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness.daemon import BINARY, ENVIRONMENT
from harness.manager import Manager
from harness.reloads import change, numbers, refused, reload
from harness.servers import Redis, free_port


ETC = os.path.join(os.path.dirname(__file__), "..", "..", "etc")


def test_the_unit_ends_for_good_by_what_another_start_can_not_mend_alone():
    """What 1 stands for, such as a lock that is held, may pass."""
    with open(ETC + "/fastlane.service") as unit, open(ETC + "/fastlane.8") as page:
        final = re.search(r"^RestartPreventExitStatus=(.*)$", unit.read(), re.MULTILINE)[1].split()
        told = re.search(r"^Restarted by systemd are all but 0, ([^.]*)\.", page.read(), re.MULTILINE)[1]
    assert final == re.findall(r"\d+", told) == ["2", "3"]


@pytest.fixture
def manager(folder):
    started = []

    def make(address=None, **options):
        started.append(Manager(address or folder + "/notify", **options))
        return started[-1]

    yield make
    for one in started:
        one.close()


def test_the_manager_is_told_when_it_is_up_how_it_is_and_that_it_turns(mariadb, rig, db, manager, figures):
    told = manager(watchdog_s=1)
    r = rig(mariadb, [numbers(db)])
    r.daemon.environment = told.environment
    r.daemon.start()
    r.daemon.wait_for(lambda: told.names(), "a word")
    r.settle()
    r.daemon.wait_for(lambda: told.values("STATUS")[-1:] and
                      re.match(r"\S+:\d+, 3 of 3 sinks riding, lag 0 s$", told.values("STATUS")[-1]), "that all ride")
    assert told.names() == ["READY"]

    r.daemon.wait_for(lambda: len(told.times("WATCHDOG")) > 6, "signs of life")
    gaps = [b - a for a, b in zip(told.times("WATCHDOG"), told.times("WATCHDOG")[1:])]
    assert max(gaps) < 1, gaps  # or it would have been killed
    assert sorted(gaps)[len(gaps) // 2] > 0.4, gaps

    # While positions move all the time it is told once a second, and where none does not at all.
    said = len(told.times("STATUS"))
    for number in range(1000, 1040):
        mariadb.run("INSERT INTO num VALUES (%d, '')" % number, database=db)
        time.sleep(0.05)  # a pace, nothing that is waited for
    r.settle()
    times = told.times("STATUS")[said - 1:]
    assert 2 <= len(times) and min(b - a for a, b in zip(times, times[1:])) > 0.9, times
    figures("ready after %d ms, at most %.2f s between signs of life, %r" % (
        1000 * (told.times("READY")[0] - r.daemon.started_at), max(gaps), told.values("STATUS")[-1]))

    refused_at = len(told.names())
    r.daemon.sections["source"]["usr"] = "x"
    r.daemon.write()
    refused(r, "usr: unknown key")
    del r.daemon.sections["source"]["usr"]
    r.daemon.wait_for(lambda: told.names()[refused_at:] == ["RELOADING", "READY"], "it is ready again")
    reload(r)
    r.daemon.wait_for(lambda: told.names()[refused_at + 2:] == ["RELOADING", "READY"], "it is ready again")
    for moment in told.values("MONOTONIC_USEC"):
        assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) - int(moment) / 1e6 < 60

    r.daemon.stop()
    assert told.names()[refused_at + 4:] == ["STOPPING"]
    assert told.values("STATUS")[-1] == "settles what is in flight"


def test_it_is_up_though_the_source_is_not_and_says_who_is_away(start_server, mariadb, rig, db, manager):
    told = manager("@fastlane-test-%d" % os.getpid())
    redis = start_server(Redis)
    r = rig(mariadb, [numbers(db)], redis=redis)
    reach = dict(r.daemon.sections["source"])
    away = {key: value for key, value in reach.items() if key != "socket"}
    away.update(host="127.0.0.1", port=free_port())
    change(r, source=away)
    r.daemon.environment = told.environment
    r.daemon.start()
    r.daemon.wait_for(lambda: "READY" in told.names(), "it is up")
    r.daemon.wait_for(lambda: "the source does not answer" in "".join(told.values("STATUS")), "it says so")
    assert not told.times("WATCHDOG")  # nobody has asked for that
    reload(r, source=reach)
    r.settle()
    redis.kill()
    r.daemon.wait_for(lambda: re.search(r"\d, 2 of 3 sinks riding, lag \d+ s; opening: hot$", told.values("STATUS")[-1]),
                      "a sink is away")
    redis.start()
    r.reconnect()
    # The other way round: what is in force goes on, and the manager does not wait for the next one.
    change(r, source=away)
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(lambda: told.names() == ["READY", "RELOADING", "READY", "RELOADING", "READY"], "ready again")
    r.daemon.wait_for(lambda: re.search(r"3 of 3 sinks riding.*the new configuration's source does not answer",
                                        told.values("STATUS")[-1]), "it says so")
    r.settle()
    r.daemon.stop()


def test_what_can_not_be_started_is_never_up(mariadb, rig, db, manager):
    told = manager()
    r = rig(mariadb, [numbers(db)])
    r.daemon.environment = told.environment
    change(r, source={**r.daemon.sections["source"], "password": "wrong"})
    assert r.daemon.run(seconds=30) == 3
    assert told.names() in ([], ["STOPPING"])


def test_a_main_loop_that_is_stuck_falls_silent_though_sinks_go_on(mariadb, rig, db, folder, manager):
    """Which is when the manager ends it, and starts another one."""
    told = manager(watchdog_s=0.6)
    gate, turnstile = folder + "/gate", folder + "/turnstile"
    open(gate, "w").close()
    r = rig(mariadb, [numbers(db)])
    r.daemon.environment = told.environment
    r.daemon.start()
    r.settle()
    r.daemon.wait_for(lambda: len(told.times("WATCHDOG")) > 2, "signs of life")
    change(r, sink__slow={"plugin": "blocker", "gate": gate, "output": folder + "/output", "turnstile": turnstile})
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(lambda: "SIGHUP: reads" in r.daemon.log, "it is stuck")
    at = time.monotonic()
    r.daemon.wait_for(lambda: time.monotonic() > at + 2, "three intervals")
    assert not [one for one in told.times("WATCHDOG") if one > at + 0.1]
    r.settle()
    open(turnstile, "w").close()
    r.daemon.wait_for(lambda: [one for one in told.times("WATCHDOG") if one > at + 0.1], "it turns again")
    r.daemon.stop()


def test_who_is_not_meant_is_silent_and_a_bad_address_is_no_harm(mariadb, fastlane, manager):
    told = manager(watchdog_s=0.2)
    daemon = fastlane(mariadb, {"log": {"plugin": "stdout"}})
    daemon.environment = {**told.environment, "WATCHDOG_PID": "1"}
    daemon.start()
    daemon.wait_for(lambda: "READY" in told.names() and told.values("STATUS"), "it is up")
    daemon.stop()
    assert not told.times("WATCHDOG")
    for address in ("nonsense", "/" + 200 * "x", "/nonexistent/socket", "@"):
        daemon.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"}
        before = len(daemon.log)
        daemon.start()
        daemon.wait_for(lambda: "sinks" in daemon.log[before:], "it runs")
        daemon.stop()


def entries(text):
    for line in text.splitlines():
        entry = json.loads(line)
        assert list(entry) == ["time", "level", "sink", "message"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]), line
        yield entry


def test_the_log_as_json(mariadb, rig, db, folder):
    r = rig(mariadb, [numbers(db)], fastlane={"log_format": "json", "log_level": "debug"})
    r.daemon.start()
    r.settle()
    change(r, source={**r.daemon.sections["source"], "user": 'quot"ed\u00e9'})
    refused(r, "")
    r.daemon.stop()
    found = list(entries(r.daemon.log))
    assert {entry["level"] for entry in found} >= {"info", "error"}
    assert any(entry["sink"] == "hot" for entry in found) and any(entry["sink"] is None for entry in found)
    assert any(re.search(r"[Aa]ccess denied for user 'quot\"ed", entry["message"]) for entry in found)

    # By the environment, where the file leaves it open; what is wrong with that as well.
    for broken in (False, True):
        path = folder + "/wrong.ini"
        with open(path, "w") as file:
            file.write("[fastlane]\nlog_format = %s\n[source]\nhost = a b\n" % ("loud" if broken else "auto"))
        done = subprocess.run([BINARY, "-c", path], env={**ENVIRONMENT, "LOG_FORMAT": "json"}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 2
        found = list(entries(done.stderr))
        assert len(found) > 2 and all(entry["level"] == "error" for entry in found), done.stderr
        assert any("log_format = loud" in entry["message"] for entry in found) == broken


def test_the_log_for_the_journal(mariadb, fastlane, folder):
    """systemd names the stream that it has connected stderr to."""
    daemon = fastlane(mariadb, {"log": {"plugin": "stdout"}}, fastlane={"log_level": "debug"})
    open(daemon.log_file, "w").close()
    status = os.stat(daemon.log_file)
    daemon.environment = {"JOURNAL_STREAM": "%d:%d" % (status.st_dev, status.st_ino)}
    daemon.start()
    daemon.wait_log(r"<6>fastlane \d")
    daemon.sections["fastlane"]["log_format"] = "text"
    daemon.write()
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reloaded ")
    daemon.stop()
    first, behind = re.split("<6>reloaded .*\n", daemon.log)
    assert all(re.match(r"<[3467]>\S", line) for line in first.splitlines()), first
    assert all(re.match(r"\S+Z (info |debug) ", line) for line in behind.splitlines()), behind
    del daemon.sections["fastlane"]["log_format"]
    daemon.write()
    with open(daemon.config, "a") as file:
        file.write("[nonsense]\n")
    before = len(daemon.log)
    assert daemon.run(seconds=30) == 2
    assert re.match(r"<3>\S+fastlane\.ini:\d+: \[nonsense\]: unknown section", daemon.log[before:])
