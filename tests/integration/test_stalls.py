# SPDX-License-Identifier: Apache-2.0
"""Sources that fall silent in every way: noticed within three heartbeats, and got over without a restart."""

import os
import re
import socket
import threading
import time

import pytest

from harness.http import get
from harness.proxy import DOWN, UP, Connection, Proxy
from harness.reloads import change
from harness.servers import MariaDB, MySQL, free_port
from harness.tables import Column, Table
from test_failover import insert, numbers

pytestmark = pytest.mark.source

HEARTBEAT = 1
NOTICED_WITHIN = 3 * HEARTBEAT + 0.3  # and what the log's line and this machine take


@pytest.fixture
def proxy(source):
    made = Proxy(source.port)
    yield made
    made.close()


def reach(proxy):
    return {"host": "127.0.0.1", "port": proxy.port, "heartbeat": HEARTBEAT, "connect_timeout": 1}


def seconds_until(r, pattern, since):
    before = len(re.findall(pattern, r.daemon.log))
    r.daemon.wait_for(lambda: len(re.findall(pattern, r.daemon.log)) > before, pattern, 30)
    return time.monotonic() - since


def cpu(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Quiet:
    """The daemon is neither busy nor silent meanwhile."""

    def __init__(self, r):
        self.r = r
        self.log = len(r.daemon.log)
        self.cpu, self.since = cpu(r.daemon.process.pid), time.monotonic()

    def wait(self, lines):
        """Until it has said so much."""
        self.r.daemon.wait_for(lambda: self.said() >= lines, "%d more lines in the log" % lines, 60)

    def said(self):
        return self.r.daemon.log[self.log:].count("\n")

    def check(self):
        seconds = time.monotonic() - self.since
        share = (cpu(self.r.daemon.process.pid) - self.cpu) / seconds
        assert share < 0.3, "%.0f %% of a processor" % (share * 100)
        # A round of one or two lines, with half a heartbeat or more between them.
        assert self.said() < 20 + 4 * seconds, "%d lines in %.1f s" % (self.said(), seconds)
        return share


def test_packets_that_are_dropped(source, proxy, rig, db, figures):
    r = rig(source, [numbers(db)], **reach(proxy))
    r.daemon.start()
    insert(source, db, 1, 2)
    r.settle()
    proxy.hold()
    took = seconds_until(r, "lost the source", time.monotonic())
    assert took <= NOTICED_WITHIN, took
    insert(source, db, 3)
    quiet = Quiet(r)
    quiet.wait(4)
    share = quiet.check()
    proxy.release()
    healed = time.monotonic()
    r.settle()
    figures("noticed after %.2f s; recovered %.2f s after; %.1f %% of a processor meanwhile" % (
        took, time.monotonic() - healed, share * 100))
    r.compare()
    r.daemon.stop()


def test_only_the_way_down_is_dead(source, proxy, rig, db, figures):
    r = rig(source, [numbers(db)], **reach(proxy))
    r.daemon.start()
    insert(source, db, 1, 2)
    r.settle()
    proxy.hold(DOWN)
    took = seconds_until(r, "lost the source", time.monotonic())
    assert took <= NOTICED_WITHIN, took
    proxy.release()
    insert(source, db, 3)
    r.settle()
    r.compare()
    figures("noticed after %.2f s" % took)
    r.daemon.stop()


@pytest.mark.parametrize("kind", [MariaDB, MySQL])
@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_a_server_that_is_stopped(kind, way, rig, db, start_server, figures):
    source = start_server(kind)
    more = {"host": "127.0.0.1", "port": source.port} if way == "tcp" else {}
    r = rig(source, [numbers(db)], heartbeat=HEARTBEAT, connect_timeout=1, **more)
    r.daemon.start()
    insert(source, db, 1, 2)
    r.settle()
    source.freeze()
    took = seconds_until(r, "lost the source", time.monotonic())
    assert took <= NOTICED_WITHIN, took
    # It takes connections, since the system does that for it, and never says a word.
    quiet = Quiet(r)
    quiet.wait(4)
    quiet.check()
    source.thaw()
    insert(source, db, 3)
    r.settle()
    r.compare()
    figures("noticed after %.2f s" % took)
    r.daemon.stop()


class Mute:
    """Takes connections and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.taken.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.taken:
            connection.close()


def test_a_host_that_never_greets_is_passed_over(source, rig, db, figures):
    mute = Mute()
    r = rig(source, [numbers(db)], hosts="127.0.0.1:%d, 127.0.0.1:%d" % (mute.port, source.port),
            connect_timeout=1, heartbeat=5)
    insert(source, db, 1)
    started = time.monotonic()
    r.daemon.start()
    r.settle()
    took = time.monotonic() - started
    assert len(mute.taken) == 1
    assert took < 3, "%.1f s, which is more than connect_timeout" % took
    figures("the second host's rows were there %.2f s after the start, with connect_timeout 1" % took)
    r.compare()
    r.daemon.stop()
    mute.close()


class Deaf(Connection):
    """Passes queries and their answers on, and nothing to who has asked for the binlog, as long as
    the proxy says so."""

    is_deaf = False

    def send(self, way, sink, data):
        # The first packet of a command, and COM_BINLOG_DUMP or its form with GTIDs.
        if way == UP and data[3:4] == b"\0" and data[4:5] in (b"\x12", b"\x1e"):
            self.proxy.asked += 1
            self.is_deaf = self.proxy.deaf
        if way == UP or not self.is_deaf:
            super().send(way, sink, data)


# Nobody sees into an encrypted connection, which Oracle's library and MySQL would have.
@pytest.mark.parametrize("kind, options", [(MariaDB, ()), (MySQL, ("--tls-version=",))])
def test_a_source_that_answers_and_never_sends_events(
        kind, options, rig, db, start_server, monkeypatch, figures):
    source = start_server(kind, *options)
    monkeypatch.setattr("harness.proxy.Connection", Deaf)
    proxy = Proxy(source.port)
    proxy.deaf, proxy.asked = True, 0
    r = rig(source, [numbers(db)], **reach(proxy))
    insert(source, db, 1)
    r.daemon.start()
    r.daemon.wait_for(lambda: proxy.asked, "it asked for the binlog")
    took = seconds_until(r, "lost the source", time.monotonic())
    assert took <= NOTICED_WITHIN, took
    quiet = Quiet(r)
    quiet.wait(6)
    quiet.check()
    assert proxy.asked >= 3
    proxy.deaf = False
    r.settle()
    r.compare()
    figures("noticed after %.2f s" % took)
    r.daemon.stop()
    proxy.close()


@pytest.mark.parametrize("kind, options", [(MariaDB, ()), (MySQL, ("--tls-version=",))])
def test_a_source_that_searches_for_the_place_is_not_level(
        kind, options, rig, db, start_server, monkeypatch):
    """As one does that has to read large files to find where the GTIDs end: it answers, and is silent."""
    source = start_server(kind, *options)
    monkeypatch.setattr("harness.proxy.Connection", Deaf)
    proxy, port = Proxy(source.port), free_port()
    proxy.deaf, proxy.asked = False, 0
    r = rig(source, [numbers(db)], host="127.0.0.1", port=proxy.port, heartbeat=4)
    change(r, http={"listen": "127.0.0.1:%d" % port, "max_lag": 2})
    r.daemon.start()
    insert(source, db, 1)
    r.settle()
    r.daemon.wait_for(lambda: get(port, "/ready").status == 200, "ready")
    proxy.deaf, asked = True, proxy.asked
    proxy.refuse_from(1)
    proxy.cut()
    insert(source, db, 2)
    proxy.refuse_from(None)
    r.daemon.wait_for(lambda: proxy.asked > asked, "a new session")
    r.daemon.wait_for(lambda: get(port, "/ready").status == 503, "not ready", 10)
    asked, until = proxy.asked, time.monotonic() + 5
    while time.monotonic() < until:
        assert get(port, "/ready").status == 503
    assert proxy.asked <= asked + 1, "a session lasts three heartbeats, which is longer"
    proxy.deaf = False
    proxy.cut()
    r.settle()
    r.daemon.wait_for(lambda: get(port, "/ready").status == 200, "ready", 15)
    r.compare()
    r.daemon.stop()
    proxy.close()


def blobs(db):
    return Table(db, "blobs", [Column("id", "int", "int", nullable=False),
                               Column("b", "longblob", "binary")])


def test_a_trickle_that_never_makes_an_event(source, proxy, rig, db, figures):
    r = rig(source, [numbers(db), blobs(db)], **reach(proxy))
    r.daemon.start()
    insert(source, db, 1)
    r.settle()
    before = proxy.passed[DOWN]
    proxy.narrow(100000)
    source.run("INSERT INTO blobs VALUES (1, REPEAT(x'ab', 700000))", database=db)
    r.daemon.wait_for(lambda: proxy.passed[DOWN] > before + 100000, "the midst of the event")
    proxy.narrow(100)  # bytes a second: there is never a second without some
    took = seconds_until(r, "lost the source: no whole event", time.monotonic())
    assert took <= NOTICED_WITHIN, took
    proxy.heal()
    r.settle()
    r.compare()
    figures("noticed after %.2f s" % took)
    r.daemon.stop()


def test_a_large_event_on_a_slow_line_is_not_taken_for_a_dead_one(source, proxy, rig, db, figures):
    r = rig(source, [numbers(db), blobs(db)], **reach(proxy))
    r.daemon.start()
    insert(source, db, 1)
    r.settle()
    proxy.narrow(100000)
    started = time.monotonic()
    source.run("INSERT INTO blobs VALUES (1, REPEAT(x'ab', 600000))", database=db)
    r.settle()
    took = time.monotonic() - started
    assert took > 3 * HEARTBEAT, "the line was not slow"
    assert "lost the source" not in r.daemon.log
    proxy.heal()
    r.compare()
    figures("an event that took %.1f s" % took)
    r.daemon.stop()
