# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells of itself over HTTP, clients that wait for what they have written, and clients that
are no good."""

import concurrent.futures
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.http import Client, get, metrics, raw, read_all, wait
from harness.proxy import Proxy
from harness.reloads import change, insert, numbers, refused, reload
from harness.servers import Redis, free_port

README = os.path.join(os.path.dirname(__file__), "..", "..", "README.md")
WRITES = {"mariadb": 10000, "mysql": 1000}
WRITERS = 4


def keys(port, **more):
    return {"listen": "127.0.0.1:%d" % port, **more}


@pytest.fixture
def served(rig, db):
    """A rig that answers HTTP, started; its port is rig.port."""
    def make(source, redis=None, http=(), under=(), **options):
        port = free_port()
        more = {"redis": redis} if redis else {}
        r = rig(source, [numbers(db)], **more, **options)
        change(r, http=keys(port, **dict(http)))
        r.port = port
        r.daemon.under = list(under)
        r.daemon.start()
        r.daemon.wait_log("answers HTTP at")
        return r
    return make


def ready(port):
    return get(port, "/ready").status == 200


def sinks(port):
    return {sink["name"]: sink for sink in get(port, "/status").json["sinks"]}


def check_metrics(port):
    """By Prometheus itself."""
    done = subprocess.run(["promtool", "check", "metrics"], input=get(port, "/metrics").text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def never_less(after, before):
    fallen = {key: (before[key], after.get(key)) for key in before
              if re.search("_(total|bucket|sum|count)$", key[0]) and not after.get(key, -1) >= before[key]}
    assert not fallen, fallen


def test_what_is_told(mariadb, served, db, start_server):
    r = served(mariadb, redis=start_server(Redis, "--appendonly", "yes"))
    port, redis = r.port, r.redis_server
    insert(mariadb, db, *range(1, 101))
    r.settle()
    r.daemon.wait_for(lambda: ready(port), "ready", 15)
    assert get(port, "/health").text == "ok\n"
    found = metrics(port)
    status = get(port, "/status").json
    hot = sinks(port)["hot"]
    assert status["pid"] == r.daemon.process.pid and status["ready"] and status["reloads"] == 0
    assert status["source"]["flavour"] == "mariadb" and status["source"]["connected"]
    assert status["source"]["since_last_event"] < 3
    assert [lane["sinks"] for lane in status["lanes"]] == [["hot", "pool", "log"]]
    assert hot["state"] == "riding" and hot["lane"] == 0 and hot["lag"] < 5
    assert hot["position"]["gtids"] == mariadb.gtids() == status["source"]["position"]["gtids"]
    assert hot["queue_bytes"] == 0 and hot["queue_limit"] == 4 << 20
    for sink in ("hot", "pool", "log"):
        assert found["fastlane_sink_changes_total", sink] >= 101
        assert found["fastlane_sink_transactions_total", sink] == found["fastlane_sink_latency_seconds_count", sink]
        assert found["fastlane_sink_up", sink] == 1 and found["fastlane_sink_halted", sink] == 0
    assert found["fastlane_sink_operations_total", "hot"] >= 101
    assert found["fastlane_source_rows_total",] >= 101 and found["fastlane_source_bytes_total",] > 1000
    assert found["fastlane_ready",] == 1 and found["process_resident_memory_bytes",] > 1e6
    check_metrics(port)

    # A reload keeps the counters.
    reload(r, fastlane={**r.daemon.sections["fastlane"], "log_level": "debug"}, http=keys(port, max_lag=2))
    r.settle()
    again = metrics(port)
    never_less(again, found)
    assert again["fastlane_reloads_total",] == 1 and get(port, "/status").json["max_lag"] == 2

    # So does an outage, during which the sink is not ready.
    r.daemon.wait_for(lambda: ready(port), "ready", 15)
    redis.kill()
    insert(mariadb, db, 1000)
    answer = r.daemon.wait_for(lambda: not ready(port) and get(port, "/ready"), "not ready", 15)
    assert re.match("hot: ", answer.text), answer.text
    r.daemon.wait_for(lambda: sinks(port)["hot"]["lag"] > 3, "a lag", 15)
    told = sinks(port)
    assert told["hot"]["state"] == "opening" and "onnect" in told["hot"]["last_error"]["text"]
    assert told["pool"]["ready"] and told["pool"]["lag"] < 2 and told["log"]["last_error"] is None
    redis.start()
    r.reconnect()
    r.settle()
    r.daemon.wait_for(lambda: ready(port), "ready again", 15)
    after = metrics(port)
    never_less(after, again)
    assert after["fastlane_sink_retries_total", "hot"] > again["fastlane_sink_retries_total", "hot"]
    assert after["fastlane_sink_errors_total", "hot", "connect"] > 0
    check_metrics(port)

    # An unreachable source: the lag is the time since it was heard of.
    before = metrics(port)["fastlane_source_reconnects_total",]
    mariadb.freeze()
    try:
        r.daemon.wait_for(lambda: min(sink["lag"] for sink in sinks(port).values()) > 3, "lags", 20)
        told = get(port, "/status").json
        assert told["source"]["since_last_event"] > 2 and not told["ready"]
    finally:
        mariadb.thaw()
    r.settle()
    r.daemon.wait_for(lambda: ready(port), "ready again", 20)
    assert metrics(port)["fastlane_source_reconnects_total",] >= before
    r.daemon.stop()


def test_what_is_being_received_is_lacking(mariadb, served, db):
    proxy = Proxy(mariadb.port)
    try:
        r = served(mariadb, http={"max_lag": 1}, host="127.0.0.1", port=proxy.port, heartbeat=2)
        r.settle()
        r.daemon.wait_for(lambda: ready(r.port) and sinks(r.port)["hot"]["lag"] < 0.1, "ready", 15)
        proxy.narrow(200000)
        mariadb.run("INSERT INTO num SELECT seq, REPEAT('x', 100) FROM seq_1_to_20000", database=db)
        r.daemon.wait_for(lambda: not ready(r.port) and sinks(r.port)["hot"]["lag"] > 1.2, "a lag", 5)
        assert not r.redis.exists("num:1")
        proxy.narrow(None)
        r.settle()
        r.daemon.wait_for(lambda: ready(r.port), "ready again", 15)
        r.daemon.stop()
    finally:
        proxy.close()


# ---- reading one's writes ----

class Application(threading.Thread):
    """Writes a row, waits for it, and reads it, again and again, on connections that it keeps."""

    def __init__(self, r, number, count, barrier):
        super().__init__()
        self.r, self.number, self.count, self.barrier = r, number, count, barrier
        self.stale, self.waited, self.failed = [], [], None
        self.start()

    def written(self, cursor, number):
        """The transaction's GTID."""
        if self.r.source.flavour == "mariadb":
            cursor.execute("INSERT INTO num VALUES (%d, 'x') ON DUPLICATE KEY UPDATE pad = '%d'" % (
                self.number, number))
            cursor.execute("SELECT @@last_gtid")
        else:
            cursor.execute("REPLACE INTO num VALUES (%d, '%d')" % (self.number, number))
            cursor.execute("SELECT @@global.gtid_executed")
        return cursor.fetchone()[0].replace("\n", "")

    def run(self):
        try:
            self.write()
        except Exception as error:
            self.failed = error

    def write(self):
        client, redis = Client(self.r.port), self.r.redis_server.client()
        with self.r.source.connect(self.r.db) as connection, connection.cursor() as cursor:
            self.barrier.wait()
            for number in range(self.count):
                gtid = self.written(cursor, number)
                began = time.monotonic()
                answer = wait(client, gtid)
                self.waited.append(time.monotonic() - began)
                assert answer.status == 200, answer.text
                value = redis.get("num:%d" % self.number)
                if number and (value is None or b'"pad":"%d"' % number not in value):
                    self.stale.append((number, value))
        client.close()


def test_no_stale_read(source, served, figures):
    r = served(source)
    count = WRITES[source.flavour]
    barrier = threading.Barrier(WRITERS)
    began = time.monotonic()
    applications = [Application(r, number, count // WRITERS, barrier) for number in range(WRITERS)]
    for application in applications:
        application.join()
    took = time.monotonic() - began
    for application in applications:
        assert application.failed is None, application.failed
        assert not application.stale, application.stale[:5]
    waited = sorted(second for application in applications for second in application.waited)
    assert len(waited) == count
    figures("%d writes, each read back, in %.1f s: waited p50 %.2f ms, p99 %.2f ms, at most %.0f ms" % (
        count, took, waited[count // 2] * 1e3, waited[count * 99 // 100] * 1e3, waited[-1] * 1e3))
    r.daemon.stop()


def test_the_readmes_application(mariadb, rig, db, folder):
    """As it stands there, but for the places."""
    with open(README) as file:
        text = re.search(r"## Read your writes\n.*?```python\n(.*?)```", file.read(), re.S)[1]
    port = free_port()
    r = rig(mariadb, [numbers(db)], maps={"users": {"table": db + ".users", "key": "user:{id}"}})
    change(r, http=keys(port))
    mariadb.run("CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(40))", "INSERT INTO users VALUES (7, 'x')",
                database=db)
    r.daemon.start()
    r.settle()
    for place, there in (("127.0.0.1:9306", "127.0.0.1:%d" % port), ("6379", str(r.redis_server.port)),
                         ('host="127.0.0.1", user="app", password="app", database="shop"',
                          'unix_socket="%s", user="app", password="app", database="%s"' % (mariadb.socket, db))):
        assert place in text, place
        text = text.replace(place, there)
    done = subprocess.run(["/usr/bin/python3", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert '"name":"Ada"' in done.stdout, done.stdout
    # The other way, from the key that Redis has.
    kept = r.redis.get("fastlane:position:hot").decode()
    assert re.fullmatch(r"owner=\d+/\d+ 1 pos=\d+ gtid=([-0-9,]+) server=\d+ file=\S+", kept), kept
    r.daemon.stop()


# ---- waiting ----

def together(count, do):
    """The results of so many calls at once, once they are asked for."""
    pool = concurrent.futures.ThreadPoolExecutor(count)
    calls = [pool.submit(do, number) for number in range(count)]
    pool.shutdown(wait=False)
    return lambda: [call.result(60) for call in calls]


def all_wait(r, gtid, count, timeout_ms=30000, sink="hot"):
    def ask(_):
        client = Client(r.port)
        try:
            return wait(client, gtid, sink, timeout_ms)
        finally:
            client.close()
    return together(count, ask)


def waiting(r, count):
    return get(r.port, "/status").json["waiting"] == count


def test_many_wait(mariadb, served, db, start_server, fastlane):
    r = served(mariadb, redis=start_server(Redis), http={"max_connections": 120},
               under=["prlimit", "--nofile=64:"])
    r.settle()
    gone = mariadb.gtids()
    client = Client(r.port)
    assert wait(client, gone).json["sinks"][0]["position"]["gtids"]
    everybody = client.get("/wait?gtid=%s&timeout_ms=5000" % gone)
    assert everybody.status == 200 and len(everybody.json["sinks"]) == 3
    place = mariadb.file_position()
    assert wait(client, place).status == 200

    # What can't be waited for.
    domain, server, number = (int(part) for part in gone.split("-"))
    coming = "%d-%d-%d" % (domain, server, number + 1)
    began = time.monotonic()
    late = wait(client, coming, timeout_ms=200)
    assert late.status == 408 and 0.2 <= time.monotonic() - began < 5 and late.json["applied"] is False
    assert wait(client, coming, timeout_ms=0).status == 408
    for path, code, text in (
            ("/wait", 400, "either gtid=SET or pos=FILE:OFFSET"),
            ("/wait?gtid=five", 400, "a number is missing"),
            ("/wait?gtid=3e11fa47-71ca-11e1-9e33-c80aa9429562:1", 400, "another kind of server"),
            ("/wait?gtid=0-1-1&timeout_ms=60001", 400, "0 to 60000"),
            ("/wait?gtid=0-1-1%00", 400, "GTID set"),
            ("/wait?gtid=0-1-1&gtid=0-1-2", 400, "twice"),
            ("/wait?pos=other.000001:4", 400, "is not of the source's binlog"),
            ("/wait?gtid=0-1-1&sink=cold", 404, "there is no sink cold; there are hot, pool, log")):
        answer = client.get(path)
        assert answer.status == code and text in answer.json["error"], (path, answer.text)

    # A hundred, for what a stalled Redis gets only later; a reload does not send them away.
    r.redis_server.freeze()
    try:
        insert(mariadb, db, 1)
        results = all_wait(r, mariadb.gtids(), 100)
        r.daemon.wait_for(lambda: waiting(r, 100), "100 wait", 20)
        assert client.get("/wait?gtid=%s&sink=pool&timeout_ms=5000" % mariadb.gtids()).status == 200
        # 105 of 120 may.
        few = all_wait(r, mariadb.gtids(), 10, timeout_ms=1000)()
        assert {answer.status for answer in few} == {408, 503}, {answer.text for answer in few}
        reload(r, fastlane={**r.daemon.sections["fastlane"], "log_level": "debug"})
    finally:
        r.redis_server.thaw()
    answers = results()
    assert [answer.status for answer in answers] == [200] * 100, {answer.text for answer in answers}

    # Where nothing is to be applied, the position is settled all the same, and at once.
    mariadb.run("CREATE TABLE elsewhere (a INT)", "INSERT INTO elsewhere VALUES (1)", database="mysql")
    try:
        waited = [ask_for_nothing(mariadb, client) for _ in range(10)]
    finally:
        mariadb.run("DROP TABLE mysql.elsewhere")
    assert sorted(waited)[5] < 0.5, waited

    # Another [http] section: who waits is told; a port that is taken refuses the file.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        change(r, http=keys(taken.getsockname()[1]))
        refused(r, r"fastlane\.ini:\d+: \[http\] listen = 127\.0\.0\.1:\d+: can't be listened at: Address already in use")
    coming = "%d-%d-%d" % (domain, server, number + 1000)
    results = all_wait(r, coming, 10)
    r.daemon.wait_for(lambda: waiting(r, 10), "10 wait", 20)
    old, r.port = r.port, free_port()
    reload(r, http=keys(r.port, max_connections=40))
    assert {answer.status for answer in results()} == {503}
    with pytest.raises(ConnectionError):
        get(old, "/health")
    # The same address with other bounds.
    reload(r, http=keys(r.port, max_connections=50))
    assert get(r.port, "/health").status == 200

    # One whose source does not answer has its port for itself, does not keep clients waiting there,
    # and does not stand in the way of the one that mends it.
    source, coming_port = r.daemon.sections["source"], free_port()
    change(r, source={**source, "socket": "/nowhere"}, http=keys(coming_port))
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_log("its source does not answer: until it does")
    with pytest.raises(ConnectionError):
        get(coming_port, "/health")
    reload(r, source=source, http=keys(coming_port))
    r.port = coming_port
    assert get(r.port, "/health").status == 200

    # A sink that is no more.
    results = all_wait(r, coming, 3, sink="log")
    r.daemon.wait_for(lambda: waiting(r, 3), "3 wait", 20)
    reload(r, sink__log=None)
    assert {answer.status for answer in results()} == {404}

    # A sink of the same name that is another server now has not what the other one had.
    other = start_server(Redis)
    r.daemon.wait_for(lambda: sinks(r.port)["hot"]["state"] == "riding", "the reloaded sink rides")
    r.redis_server.freeze()
    try:
        insert(mariadb, db, 2)
        assert wait(Client(r.port), gone, timeout_ms=0).status == 200
        reload(r, sink__hot={"plugin": "redis", "address": "127.0.0.1:%d" % other.port})
        status = wait(Client(r.port), gone, timeout_ms=0).status
        # Unless the old one has ended by now, and the new one goes on from the last position known.
        assert status == 408 or sinks(r.port)["hot"]["state"] != "opening"
    finally:
        r.redis_server.thaw()

    # At the end.
    results = all_wait(r, coming, 30)
    r.daemon.wait_for(lambda: waiting(r, 30), "30 wait", 20)
    r.daemon.stop()
    answers = results()
    assert {answer.status for answer in answers} == {503}
    assert answers[0].json == {"error": "fastlane stops"}

    # A daemon whose port is taken does not start.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        change(r, http=keys(taken.getsockname()[1]))
        assert r.daemon.run() == 1
    assert re.search(r"fastlane\.ini:\d+: \[http\] listen = .*Address already in use", r.daemon.log)


def ask_for_nothing(source, client):
    with source.connect("mysql") as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE elsewhere SET a = a + 1")
        cursor.execute("SELECT @@last_gtid")
        gtid = cursor.fetchone()[0]
    began = time.monotonic()
    answer = client.get("/wait?gtid=%s&timeout_ms=5000" % gtid)
    assert answer.status == 200, answer.text
    return time.monotonic() - began


# ---- clients that are no good ----

LINE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


def status_of(answer):
    found = re.match(rb"HTTP/1\.1 (\d+) ", answer)
    return int(found[1]) if found else None


ATTACKS = {
    "POST": (b"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd", {405}),
    "DELETE": (b"DELETE /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {405}),
    "no such method": (b"BREW /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {405}),
    "a body": (LINE + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", {413}),
    "a body in chunks": (LINE + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n", {413}),
    "a length that is none": (LINE + b"Content-Length: -5\r\nConnection: close\r\n\r\n", {400, 413}),
    "a body to come": (LINE + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", {413}),
    "path traversal": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {404}),
    "the same, coded": (b"GET /%2e%2e/%2e%2e/etc/passwd%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                        {400, 404}),
    "another site's name": (b"GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", {403}),
    "no Host": (b"GET /status HTTP/1.1\r\nConnection: close\r\n\r\n", {400}),
    "a header of 1 MB": (LINE + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n", {None, 400, 413, 431}),
    "100,000 headers": (LINE + b"a: b\r\n" * 100000 + b"\r\n", {None, 400, 413, 431}),
    "a path of 1 MB": (b"GET /" + b"x" * (1 << 20) + b" HTTP/1.1\r\n\r\n", {None, 400, 413, 414, 431}),
    "garbage": (bytes(range(256)) * 64 + b"\r\n\r\n", {None, 400, 405, 413, 431, 505}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300 + b"\r\n\r\n", {None, 400, 405}),
    "HTTP/9": (b"GET / HTTP/9.0\r\nHost: localhost\r\n\r\n", {None, 400, 505}),
}


def test_hostile_clients(mariadb, served, db, figures):
    r = served(mariadb, http={"timeout": 1})
    r.settle()
    port = r.port
    got = {}
    for name, (request, expected) in ATTACKS.items():
        answer = raw(port, request)
        got[name] = status_of(answer)
        assert got[name] in expected, (name, answer[:300])
        assert b"root:" not in answer
    for name, value in (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")):
        assert get(port, "/health").headers[name] == value
    assert get(port, "/status", "POST").headers["Allow"] == "GET, HEAD"
    head = get(port, "/metrics", "HEAD")
    assert head.status == 200 and head.text == ""

    # Many in one go, the last of them not whole.
    answer = raw(port, (LINE + b"\r\n") * 50 + LINE)
    assert answer.count(b"HTTP/1.1 200 OK") == 50, answer[-300:]

    # Who sends a little now and then is cut all the same; so is who takes no answer, or says nothing.
    began = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    silent = socket.create_connection(("127.0.0.1", port))
    for connection in slow:
        connection.settimeout(0.1)
    while slow and time.monotonic() - began < 10:
        for connection in list(slow):
            try:
                connection.sendall(b"G")
                ended = connection.recv(100) == b""
            except socket.timeout:
                ended = False
            except OSError:
                ended = True
            if ended:
                connection.close()
                slow.remove(connection)
    took = time.monotonic() - began
    assert not slow and took < 5, took
    silent.settimeout(5)
    assert silent.recv(1) == b""
    silent.close()

    # A thousand connections: the bound holds, and replication goes on.
    crowd = []
    for _ in range(1000):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        crowd.append(connection)
    open_files = len(os.listdir("/proc/%d/fd" % r.daemon.process.pid))
    assert open_files < 150, open_files
    insert(mariadb, db, *range(1, 1001))
    r.settle(20)
    for connection in crowd:
        connection.close()
    r.daemon.wait_for(lambda: get(port, "/health").status == 200, "an answer", 20)
    r.compare()

    # Nothing spins, and what is not whole does not keep it from ending.
    partial = socket.create_connection(("127.0.0.1", port))
    partial.sendall(LINE)
    idle = Client(port)
    assert idle.get("/health").status == 200
    before = metrics(port)["process_cpu_seconds_total",]
    threading.Event().wait(0.5)
    assert metrics(port)["process_cpu_seconds_total",] - before < 0.2
    assert r.daemon.stop() < 5
    partial.settimeout(5)
    read_all(partial)
    figures("attacks: " + ", ".join("%s: %s" % (name, code or "cut") for name, code in got.items()))
    figures("who sends a byte at a time is cut after %.1f s; 1000 connections: %d open files" % (took, open_files))
