# SPDX-License-Identifier: Apache-2.0
"""What etc/quickstart starts once fastlane is built. It takes Python's standard library alone.

Each line of fastlane's stdout sink is looked up in Redis and memcached as soon as it comes, and the
three are shown side by side, a row a commit."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PATIENCE = 10  # seconds for a change to arrive

CONFIGURATION = """\
[fastlane]
state_dir = {dir}/state

[source]
socket = {dir}/mariadb/sock
user = repl
password = repl
server_id = 4711
start = earliest

[sink:hot]
plugin = redis
address = 127.0.0.1:{redis}

[sink:pool]
plugin = memcached
servers = 127.0.0.1:{memcached}

[sink:log]
plugin = stdout

[map:users]
table = shop.users
key = user:{{id}}

[map:items]
table = shop.items
key = item:{{id}}

[map:orders]
table = shop.orders
key = order:{{id}}
"""

KEYS = {"users": "user:%s", "items": "item:%s", "orders": "order:%s"}

SCHEMA = """
CREATE DATABASE shop;
USE shop;
CREATE TABLE users (id int PRIMARY KEY, name varchar(40), city varchar(40));
CREATE TABLE items (id int PRIMARY KEY, name varchar(40), price decimal(8,2), stock int);
CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, user_id int, item_id int,
    state enum('new','paid','sent') NOT NULL DEFAULT 'new');
"""

# Each is one transaction; the number is that of the row changes that are to arrive.
SAMPLES = [
    (2, "INSERT INTO users VALUES (1, 'Ada', 'London'), (2, 'Grace', 'New York')"),
    (2, "INSERT INTO items VALUES (1, 'Lamp', 19.90, 10), (2, 'Desk', 249.00, 3)"),
    (2, "INSERT INTO orders (user_id, item_id) VALUES (1, 2);"
        " UPDATE items SET stock = stock - 1 WHERE id = 2"),
    (1, "UPDATE users SET city = 'Paris' WHERE id = 1"),
    (0, "DELETE FROM users; ROLLBACK"),
    (2, "UPDATE orders SET state = 'paid' WHERE id = 1;"
        " UPDATE items SET price = 17.50 WHERE id = 1"),
    (1, "UPDATE users SET id = 7 WHERE id = 2"),
    (1, "DELETE FROM items WHERE id = 1"),
]

# What the caches have to hold in the end, as the database itself tells it.
TRUTH = """
SELECT CONCAT('user:', id), JSON_OBJECT('id', id, 'name', name, 'city', city) FROM users;
SELECT CONCAT('item:', id), JSON_OBJECT('id', id, 'name', name, 'price', CAST(price AS CHAR),
    'stock', stock) FROM items;
SELECT CONCAT('order:', id), JSON_OBJECT('id', id, 'user_id', user_id, 'item_id', item_id,
    'state', state) FROM orders;
"""


class Failure(Exception):
    pass


class Ended(BaseException):
    """A signal that ends the program."""


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def ask(port, command):
    """One command to Redis or memcached, each of which closes the connection after `quit`."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(command + b"\r\nquit\r\n")
        answer = b""
        while True:
            data = connection.recv(65536)
            if not data:
                return answer
            answer += data


def redis_get(port, key):
    word = key.encode()
    head, _, rest = ask(port, b"*2\r\n$3\r\nGET\r\n$%d\r\n%s" % (len(word), word)).partition(b"\r\n")
    size = int(head[1:]) if head.startswith(b"$") else -1
    return json.loads(rest[:size]) if size >= 0 else None


def memcached_get(port, key):
    head, _, rest = ask(port, b"get " + key.encode()).partition(b"\r\n")
    return json.loads(rest[:int(head.split()[3])]) if head.startswith(b"VALUE") else None


class Stage:
    """The servers and fastlane, in a folder that goes with them."""

    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="fastlane-quickstart-")
        self.ports = dict(zip(("mariadb", "redis", "memcached"), free_ports(3)))
        self.started = []
        self.fastlane = None
        self.position = 0
        self.rest = b""

    def server(self, name, *command):
        done = subprocess.run(
            [TOP + "/tests/servers/%s.sh" % name, command[0], self.dir + "/" + name, *command[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Failure(done.stdout)

    def start(self):
        for name, port in self.ports.items():
            options = ["--binlog-row-metadata=FULL"] if name == "mariadb" else []
            self.started.append(name)
            self.server(name, "start", str(port), *options)
        for name in self.ports:
            self.server(name, "wait-ready")
        os.mkdir(self.dir + "/state")
        with open(self.dir + "/fastlane.ini", "w") as file:
            os.chmod(file.fileno(), 0o600)
            file.write(CONFIGURATION.format(dir=self.dir, **self.ports))
        with open(self.dir + "/stdout", "wb") as out, open(self.dir + "/log", "wb") as log:
            self.fastlane = subprocess.Popen(
                [self.build + "/core/fastlane", "-c", self.dir + "/fastlane.ini"],
                env={**os.environ, "FASTLANE_PLUGIN_PATH": self.build + "/plugins"},
                stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True)

    def end(self):
        if self.fastlane and self.fastlane.poll() is None:
            self.fastlane.terminate()
            try:
                self.fastlane.wait(6)
            except subprocess.TimeoutExpired:
                self.fastlane.kill()
                self.fastlane.wait()
        for name in self.started:
            self.server(name, "kill")
        shutil.rmtree(self.dir)

    def sql(self, text):
        done = subprocess.run(
            ["mariadb", "--no-defaults", "--socket=%s/mariadb/sock" % self.dir, "--user=root",
             "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4"],
            input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failure(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def commits(self):
        """The commits that fastlane wrote since the last call, each a list of changes."""
        if self.fastlane.poll() is not None:
            with open(self.dir + "/log", errors="replace") as log:
                raise Failure("fastlane ended, status %d:\n%s" % (
                    self.fastlane.returncode, log.read()[-3000:]))
        with open(self.dir + "/stdout", "rb") as file:
            file.seek(self.position)
            data = file.read()
        self.position += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        changes = []
        for line in lines:
            changes.append(json.loads(line))
            if changes[-1].get("commit"):
                yield changes
                changes = []
        if changes:  # the commit's other lines are still to come
            self.rest = b"".join(json.dumps(c).encode() + b"\n" for c in changes) + self.rest


class Screen:
    def __init__(self):
        self.colours = sys.stdout.isatty()

    def widths(self):
        """Of the four columns, two blanks between them."""
        room = max(80, min(120, shutil.get_terminal_size((100, 24)).columns)) - 1 - 6
        stdout, cache = 8, (room - 8) * 3 // 10
        return room - stdout - 2 * cache, stdout, cache, cache

    def paint(self, code, text):
        return "\033[%sm%s\033[0m" % (code, text) if self.colours else text

    def cell(self, text, width):
        return (text if len(text) <= width else text[:width - 1] + "…").ljust(width)

    def say(self, text=""):
        print(text, flush=True)

    def head(self):
        widths = self.widths()
        names = ("commit", "stdout", "Redis", "memcached")
        self.say(self.paint(1, "  ".join(map(self.cell, names, widths))))
        self.say("  ".join("─" * width for width in widths))

    def row(self, cells, marks):
        """`marks`: None, True or False for each of the sinks."""
        parts = []
        for text, width, mark in zip(cells, self.widths(), (None, *marks)):
            if mark is None:
                parts.append(self.cell(text, width))
            else:
                sign = self.paint("32" if mark else "31;1", "✓" if mark else "✗")
                parts.append(sign + " " + self.cell(text, width - 2))
        self.say("  ".join(parts).rstrip())


def values(row, names, named):
    """`name=value` for each column, or the bare values."""
    shown = {name: "NULL" if row[name] is None else str(row[name]) for name in names if name in row}
    return ", ".join("%s=%s" % item for item in shown.items()) if named else ", ".join(shown.values())


def describe(change):
    """What a change is, in a line; the columns that are worth a look; and whether by name."""
    op, row = change["op"], change.get("row")
    if row is None:
        return change.get("sql", change.get("doubt", op)), [], False
    old = change.get("old", {})
    key = " ".join(str(old.get(name, value)) for name, value in change["key"].items())
    names = list(old) if op == "update" else [name for name in row if name not in change["key"]]
    text = "" if op == "delete" else values(row, names, op == "update")
    return "%s %s %s: %s" % (op, change["table"], key, text) if text else "%s %s %s" % (
        op, change["table"], key), names, op == "update"


class Viewer:
    def __init__(self, stage, screen):
        self.stage, self.screen = stage, screen
        self.sinks = ((redis_get, stage.ports["redis"]), (memcached_get, stage.ports["memcached"]))
        self.pending = []
        self.failures = []

    def next_commit(self, patience):
        """The next commit, or None if there is none for so many seconds."""
        deadline = time.monotonic() + patience
        while not self.pending:
            self.pending.extend(self.stage.commits())
            if not self.pending and time.monotonic() > deadline:
                return None
            if not self.pending:
                time.sleep(0.02)  # until the next look
        return self.pending.pop(0)

    def touched_later(self, key):
        self.pending.extend(self.stage.commits())
        return any(key in wanted(commit) for commit in self.pending)

    def arrived(self, get, port, key, row):
        """Waits for a cache to hold the row, or nothing. Returns what it holds, and whether that
        is right; a later commit may have overtaken this one, which is fine."""
        deadline = time.monotonic() + PATIENCE
        while True:
            value = get(port, key)
            if value == row or self.touched_later(key):
                return value, True
            if time.monotonic() > deadline:
                return value, False
            time.sleep(0.005)  # until the next look

    def show(self, commit):
        expected = wanted(commit)
        for number, change in enumerate(commit):
            what, names, named = describe(change)
            last = number == len(commit) - 1
            edge = "" if len(commit) == 1 else "┌ " if number == 0 else "└ " if last else "│ "
            cells, marks = [edge + what, change["op"]], [True]
            keys = keys_of(change)
            for get, port in self.sinks:
                if not keys:
                    cells.append("not mapped" if "row" in change else "")
                    marks.append(None)
                    continue
                texts, good = [], True
                for key in keys:
                    value, right = self.arrived(get, port, key, expected[key])
                    good = good and right
                    texts.append(key + (
                        " gone" if value is None else ": " + values(value, names, named)))
                    if not right:
                        self.failures.append("%s: %s is %s, not %s" % (
                            get.__name__.partition("_")[0], key, value, expected[key]))
                cells.append(", ".join(texts))
                marks.append(good)
            self.screen.row(cells, marks)


def keys_of(change):
    """The cache keys that a change concerns, the one to delete first."""
    if change.get("db") != "shop" or change.get("table") not in KEYS or "row" not in change:
        return []
    template, row = KEYS[change["table"]], change["row"]
    old = change.get("old", {}).get("id", row["id"])
    return [template % old, template % row["id"]] if old != row["id"] else [template % row["id"]]


def wanted(commit):
    """What a commit leaves behind: cache key -> row, or None."""
    result = {}
    for change in commit:
        *old, key = keys_of(change) or [None]
        if key:
            result.update(dict.fromkeys(old))
            result[key] = None if change["op"] == "delete" else change["row"]
    return result


def samples(stage, viewer):
    """Runs the sample transactions, each shown before the next, and compares the caches with the
    database in the end."""
    stage.sql(SCHEMA)
    for count, statements in SAMPLES:
        stage.sql("USE shop; BEGIN; %s; COMMIT;" % statements)
        if count == 0:
            viewer.screen.row(["rolled back: " + statements.partition(";")[0], "", "", ""], [None] * 3)
            continue
        while True:
            commit = viewer.next_commit(PATIENCE)
            if commit is None:
                raise Failure("nothing arrived in stdout after: " + statements)
            if commit[0]["op"] != "ddl":  # of the schema
                break
        if len(commit) != count:
            raise Failure("stdout has %d changes, not %d, after: %s" % (
                len(commit), count, statements))
        viewer.show(commit)
    truth = {key: json.loads(row) for key, row in stage.sql("USE shop;" + TRUTH)}
    for key in sorted(truth) + ["user:2", "item:1"]:
        for get, port in viewer.sinks:
            value = get(port, key)
            if value != truth.get(key):
                viewer.failures.append("%s: %s is %s, and in the database %s" % (
                    get.__name__.partition("_")[0], key, value, truth.get(key)))
    if viewer.failures:
        raise Failure("\n".join(viewer.failures))


def introduce(stage, screen):
    version = stage.sql("SELECT @@version")[0][0].partition("-")[0]
    screen.say()
    screen.say(screen.paint(1, "fastlane") + ": what is committed in MariaDB %s reaches stdout,"
               " Redis and memcached" % version)
    screen.say()
    screen.head()


def invite(stage, screen):
    say = screen.say
    say()
    say("Redis and memcached hold what the database holds. Now type SQL of your own in another")
    say("terminal, and watch it arrive here:")
    say()
    say("  mariadb --no-defaults --socket=%s/mariadb/sock --user=root shop" % stage.dir)
    say("      UPDATE users SET city = 'Gdynia' WHERE id = 1;")
    say("  redis-cli -p %d get user:1" % stage.ports["redis"])
    say("  bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; printf \"get user:1\\r\\nquit\\r\\n\" >&3; cat <&3'"
        % stage.ports["memcached"])
    say()
    say("The configuration is %s/fastlane.ini; Ctrl-C ends it all." % stage.dir)
    say()


def end_by_signal(number, frame):
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # cleaning up is not to be cut short
    raise Ended


def main():
    build = os.path.join(TOP, sys.argv[1])
    once = "--once" in sys.argv[2:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    screen = Screen()
    stage = Stage(build)
    status = 0
    try:
        stage.start()
        introduce(stage, screen)
        viewer = Viewer(stage, screen)
        samples(stage, viewer)
        if once:
            screen.say("\nAll of it arrived: Redis and memcached hold what the database holds.")
        else:
            invite(stage, screen)
            screen.head()
        while not once:
            commit = viewer.next_commit(3600)
            if commit:
                viewer.show(commit)
    except Failure as failure:
        print("\netc/quickstart: %s" % failure, file=sys.stderr)
        status = 1
    except Ended:
        # To end it is what Ctrl-C is for; a run that was to come to its end did not.
        status = 1 if once else 0
        screen.say()
    finally:
        stage.end()
    return status


if __name__ == "__main__":
    sys.exit(main())
