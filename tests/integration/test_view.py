# SPDX-License-Identifier: Apache-2.0
"""What is to be seen of a running daemon: the page in a browser, --status and --top on a terminal."""

import json
import os
import re
import signal
import socket
import threading
import urllib.request

import pytest

from harness.browser import Browser
from harness.daemon import BINARY, ENVIRONMENT, command
from harness.rig import Rig
from harness.servers import Redis, free_port
from harness.tables import Column, Table
from harness.terminal import Terminal
from harness.wait import wait_for

OK, USAGE, CONFIGURATION, NOT_READY, NO_ANSWER = 0, 1, 2, 6, 7
MARKUP = "/<img/src=x/onerror=document.title='owned'><b>bold</b>"


class Watched:
    """A rig with HTTP, whose Redis can be killed; `url`: where it is to be asked."""

    def __init__(self, rig, mariadb, db, redis):
        self.url = "http://127.0.0.1:%d" % free_port()
        self.rig = rig(mariadb, [Table(db, "item", [Column("id", "int", "int", nullable=False)])], redis=redis)
        self.redis, self.daemon, self.db, self.source = redis, self.rig.daemon, db, mariadb
        self.daemon.sections["http"] = {"listen": self.url[len("http://"):], "max_lag": 2}
        self.daemon.write()
        self.next = 1

    def insert(self, count=20):
        self.source.run(*("INSERT INTO item VALUES (%d)" % number
                          for number in range(self.next, self.next + count)), database=self.db)
        self.next += count

    def status(self):
        with urllib.request.urlopen(self.url + "/status", timeout=10) as answer:
            return json.load(answer)

    def sink(self, name):
        return {one["name"]: one for one in self.status()["sinks"]}[name]


@pytest.fixture
def watched(rig, mariadb, db, start_server):
    made = Watched(rig, mariadb, db, start_server(Redis))
    made.daemon.start()
    made.rig.settle()
    return made


STATE = "document.getElementById('state').textContent"
CELL = ("(name, label) => [...document.querySelectorAll('#sinks tr')].filter(row => row.cells[0]"
        ".querySelector('span').textContent === name).map(row => [...row.cells].find(cell => "
        "cell.dataset.label === label).textContent)[0]")


def test_the_page_shows_what_happens(watched, folder):
    """FASTLANE_SHOTS: a directory for pictures of it."""
    shots = os.environ.get("FASTLANE_SHOTS")
    browser = Browser(folder)

    def cell(name, label):
        return browser.run("return (%s)(...arguments)" % CELL, name, label)

    def shoot(name):
        if shots:
            browser.screenshot("%s/%s.png" % (shots, name))

    try:
        browser.open(watched.url + "/")
        browser.wait(STATE + " === 'Ready'", "the page says that it is ready")
        assert browser.run("return document.querySelectorAll('#sinks tr').length") == 3
        # Numbers move.
        before = cell("hot", "Position")
        assert re.fullmatch(r"[\w-]+\.\d+:\d+", before)
        watched.insert()
        wait_for(lambda: cell("hot", "Position") != before, "the position shown moves")
        browser.wait("/[1-9].*\\/s/.test(document.querySelector('#tiles .value').textContent)", "rows a second")
        wait_for(lambda: re.match(r"[1-9]", cell("hot", "Applied")), "operations a second are shown")
        wait_for(lambda: re.search(r"\d.*[mµ]s$", cell("hot", "p99")), "a latency is shown")
        browser.wait("document.querySelectorAll('#lag path.line[d^=M]').length === 3", "lines are drawn")
        # What was where the pointer is.
        browser.point("#work .plot", 0.99)
        browser.wait("/\\d:\\d\\d.*rows read.*hot.*pool.*log/.test(document.querySelector('#work .tip:not([hidden])')"
                     "?.textContent)", "values of that time")
        shoot("pointed")
        # As a reader of screens has it, also where the columns become cards.
        browser.resize(390, 844, mobile=True)
        assert browser.run("return document.documentElement.scrollWidth") <= 390
        assert browser.run("return [...document.querySelectorAll('#sinks tr')].every(row => "
                           "row.getAttribute('role') === 'row')")
        shoot("phone")
        browser.resize(1280, 1000)
        # A dead Redis is told, with the reason.
        watched.redis.kill()
        watched.insert(1)
        browser.wait(STATE + " === 'Not ready'", "the page says that it is not ready")
        browser.wait("document.getElementById('why').textContent.startsWith('hot: ')", "and why")
        assert cell("hot", "State") in ("waiting", "opening") and cell("pool", "State") == "riding"
        browser.wait("document.querySelector('#errors li').textContent.includes('refused')", "the error")
        # What is said of sinks is text, whatever is in it.
        watched.daemon.sections["sink:bad"] = {"plugin": "redis", "address": MARKUP}
        watched.daemon.write()
        watched.daemon.signal(signal.SIGHUP)
        browser.wait("document.getElementById('errors').textContent.includes(%s)" % json.dumps(MARKUP),
                     "the error with markup")
        shoot("error")
        assert browser.run("return document.querySelectorAll('img, b:not(.tip b)').length") == 0
        assert "owned" not in browser.run("return document.title")
        del watched.daemon.sections["sink:bad"]
        watched.daemon.write()
        watched.daemon.signal(signal.SIGHUP)
        watched.redis.start()
        browser.wait(STATE + " === 'Ready'", "it is ready again")
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            shoot(scheme)
        assert browser.console() == []
        # A daemon that is gone, and comes back.
        watched.daemon.stop()
        browser.wait(STATE + " === 'No answer'", "the page says that nobody answers")
        assert browser.run("return getComputedStyle(document.querySelector('.card')).opacity") == "0.5"
        shoot("gone")
        watched.daemon.start()
        browser.wait(STATE + " === 'Ready'", "it is ready after a restart")
        assert [line for line in browser.console() if "net::ERR_" not in line] == []
    finally:
        browser.close()
    watched.daemon.stop()


def test_status_tells_how_it_is(watched, folder):
    file = watched.daemon.config
    done = command("--status", "-c", file)
    assert (done.returncode, done.stderr) == (OK, "")
    lines = done.stdout.split("\n")
    assert lines[0] == "ready" and re.match(r"fastlane \d", lines[1])
    assert re.match(r"source .*MariaDB 10\.11.*: connected, last event [\d.]+ m?s ago", lines[2])
    for name in ("hot", "pool", "log"):
        assert re.search(r"(?m)^%s +\w+ +riding +[\d.]+ \w+ .*\w+\.\d+:\d+$" % name, done.stdout), done.stdout
    done = command("--status=json", "--url", watched.url)
    assert done.returncode == OK and json.loads(done.stdout).keys() == watched.status().keys()
    # Not ready, once max_lag is over.
    watched.redis.kill()
    watched.insert(1)
    wait_for(lambda: "refused" in (watched.sink("hot")["last_error"] or {"text": ""})["text"], "hot's error is known")
    done = command("--status", "-c", file)
    assert done.returncode == NOT_READY and re.match(r"not ready: hot: \w+", done.stdout)
    assert re.search(r"(?m)^20.* hot  .*refused", done.stdout), done.stdout
    done = command("--status=json", "-c", file)
    assert done.returncode == NOT_READY and json.loads(done.stdout)["ready"] is False
    watched.daemon.stop()
    done = command("--status", "-c", file)
    assert (done.returncode, done.stdout) == (NO_ANSWER, "") and "refused" in done.stderr
    # Files that do not tell where it is. What else is in one does not matter.
    for text, said in (("[http]\n", "no [http] listen"), ("[htt\n", ":1: "), ("[http]\nlisten = nowhere:x\n", "port")):
        with open(folder + "/other.ini", "w") as other:
            other.write(text)
        done = command("--status", "-c", folder + "/other.ini")
        assert done.returncode in (USAGE, CONFIGURATION) and said in done.stderr, (text, done.stderr)


GOOD = b'{"ready": true, "source": {"name": "\\u001b[31mred\\u0007"}, "sinks": [{"name": "\\u202etxe", "lag": 1e99}]}'
HEAD = b"HTTP/1.1 200 OK\r\n"

# What comes from a port, how --status ends, and what it says.
ANSWERS = {
    "good": (HEAD + b"\r\n" + GOOD, OK, "ready"),
    "nothing": (b"", NO_ANSWER, "closed the connection"),
    "no HTTP": (b"-ERR unknown command\r\n", NO_ANSWER, "no HTTP server"),
    "another status": (b"HTTP/1.1 404 \x1b[2J\r\n\r\n{}", NO_ANSWER, "'404 ?[2J'"),
    "cut off": (HEAD + b"content-length: 1000\r\n\r\n" + GOOD, NO_ANSWER, "cut off"),
    "no JSON": (HEAD + b"\r\n<html>", NO_ANSWER, "not the status"),
    "other JSON": (HEAD + b"\r\n[1]", NO_ANSWER, "not the status"),
    "raw control": (HEAD + b"\r\n" + GOOD.replace(b"red", b"\x1b"), NO_ANSWER, "not the status"),
    "too deep": (HEAD + b"\r\n" + b"[" * 100000, NO_ANSWER, "not the status"),
    "too much": (HEAD + b"\r\n" + b" " * (17 << 20), NO_ANSWER, "too much"),
    "silence": (None, NO_ANSWER, "within 3 s"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_status_is_safe_whatever_answers(name):
    answer, code, said = ANSWERS[name]
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            with server.accept()[0] as client:
                client.recv(4096)
                try:
                    client.sendall(answer or b"")
                except OSError:
                    pass  # it has had enough
                if answer is None:
                    client.recv(1)  # until it has gone
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = command("--status", "--url", "127.0.0.1:%d" % server.getsockname()[1])
        thread.join(10)
    assert done.returncode == code and said in done.stdout + done.stderr, done
    assert not re.search("[^\n -~]", done.stdout + done.stderr), done


def test_top_is_drawn_resized_suspended_and_leaves_the_terminal_as_it_was(watched):
    terminal = Terminal([BINARY, "--top", "-c", watched.daemon.config], 110, 30, ENVIRONMENT)

    def wait(pattern, what):
        return wait_for(lambda: re.search(pattern, terminal.screen), "%s on\n%s" % (what, terminal.screen), 20)

    try:
        wait(r"(?m)^hot +redis +riding", "a sink")
        assert terminal.alternate and not terminal.cursor and not terminal.is_given_back
        wait_for(lambda: watched.insert() or re.search(r"rows [1-9][\d.]*/s", terminal.screen), "rows a second")
        wait(r"(?m)^hot .* [1-9][\d.]* .*\w+\.\d+:\d+", "operations a second and a position")
        terminal.resize(44, 8)
        wait_for(lambda: "POSITION" not in terminal.screen and max(map(len, terminal.screen.split("\n"))) <= 44
                 and len(terminal.screen.split("\n")) <= 8, "it fits the window")
        assert re.search(r"(?m)^hot +riding", terminal.screen)
        # Suspended as by a shell: the terminal is the user's meanwhile.
        terminal.type("\x1a")
        wait_for(lambda: terminal.is_stopped and terminal.is_given_back, "it has stopped, and given the terminal back")
        terminal.process.send_signal(signal.SIGCONT)
        wait(r"(?m)^hot +riding", "a sink, after it was suspended")
        assert terminal.alternate and not terminal.cursor and not terminal.is_given_back
        terminal.resize(110, 30)
        watched.redis.kill()
        watched.insert(1)
        wait("not ready: hot: ", "what is wrong")
        wait(r"(?m)^20.* hot  .*refused", "the last error")
        watched.daemon.stop()
        wait("no answer from .*refused", "that nobody answers")
        terminal.type("q")
        assert terminal.process.wait(10) == OK
        wait_for(lambda: terminal.is_given_back, "the terminal is given back")
    finally:
        terminal.close()


def test_top_without_a_daemon_can_be_ended_at_once():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "127.0.0.1:%d" % silent.getsockname()[1]
        terminal = Terminal([BINARY, "--top", "--url", url], 80, 24, ENVIRONMENT)
        try:
            wait_for(lambda: "no answer from %s: nothing within 2 s" % url in terminal.screen, "it says so")
            terminal.type("\x03")
            assert terminal.process.wait(10) == OK
            wait_for(lambda: terminal.is_given_back, "the terminal is given back")
        finally:
            terminal.close()
    done = command("--top", "--url", url)
    assert done.returncode == USAGE and "needs a terminal" in done.stderr
