# SPDX-License-Identifier: Apache-2.0
"""The command line: what it says, and how it ends."""

import os
import re
import signal
import time

import pytest

from harness import workload
from harness.daemon import command
from harness.servers import Redis, free_port

OK, USAGE, CONFIGURATION, SOURCE, SINK = range(5)


def test_version_help_and_plugins_are_told():
    done = command("--version")
    assert (done.returncode, done.stderr) == (OK, "")
    assert re.fullmatch(r"fastlane \d+\.\d+\.\d+\b.*\n", done.stdout)

    done = command("--help")
    assert (done.returncode, done.stderr) == (OK, "")
    for option in ("-c", "--check", "--list-plugins", "--plugin-help", "--test-plugin", "--until-current", "--binlog-file", "--explain",
                   "--status", "--top", "--url", "--version", "--help"):
        assert option in done.stdout, option

    done = command("--list-plugins")
    assert done.returncode == OK
    for name in ("stdout", "redis", "memcached"):
        assert re.search(r"^\s*%s\b" % name, done.stdout, re.MULTILINE), name

    for name, option in (("redis", "position_key"), ("memcached", "servers")):
        done = command("--plugin-help", name)
        assert done.returncode == OK and option in done.stdout
    done = command("--plugin-help", "nothing-like-it")
    assert done.returncode != OK and "nothing-like-it" in done.stderr


@pytest.mark.parametrize("arguments", [
    ["--no-such-option"], [], ["-c"], ["--plugin-help"], ["--test-plugin"], ["-c", "a", "unexpected"],
    ["--explain", "x"], ["-c", "a", "--explain"], ["-c", "a", "--check", "--explain", "x"],
    ["--status"], ["--top"], ["--url", "a"], ["--status=xml", "--url", "a"], ["--status", "--top", "--url", "a"],
    ["--status", "-c", "a", "--url", "b"], ["--status", "--check", "-c", "a"], ["--status", "--url", "a", "json"],
])
def test_a_wrong_command_line_is_refused(arguments):
    done = command(*arguments)
    assert done.returncode == USAGE and "--help" in done.stderr and done.stdout == ""


GOOD = """\
[fastlane]
state_dir = {dir}
[source]
host = 127.0.0.1
user = repl
password = hidden-word
server_id = 4711
[sink:hot]
plugin = redis
address = 127.0.0.1:6379
[sink:log]
plugin = stdout
[map:users]
table = shop.users
sinks = hot
key = user:{{id}}
"""

# What to replace in the good file, by what, and what is said of which line.
BROKEN = {
    "unknown section": ("[fastlane]", "[fastlain]", 1, "fastlain"),
    "unknown key": ("user = repl", "usr = repl", 5, "usr"),
    "unknown plugin": ("plugin = redis", "plugin = rediss", 9, "rediss"),
    "unknown option": ("address =", "adress =", 10, "adress.*address"),
    "bad number": ("4711", "many", 7, "server_id.*many"),
    "number out of range": ("4711", "4294967296", 7, "server_id.*4294967295"),
    "missing key": ("user = repl\n", "", 3, "user"),
    "duplicate key": ("user = repl", "user = repl\nuser = other", 6, "user"),
    "duplicate section": ("[map:users]", "[sink:log]", 13, "sink:log"),
    "unknown sink in a map": ("sinks = hot", "sinks = hut", 15, "hut"),
    "sink that takes no operations": ("sinks = hot", "sinks = log", 15, "log"),
    "broken template": ("user:{{id}}", "user:{{id", 16, "key"),
    "broken table pattern": ("shop.users", "users", 14, "table"),
    "host and socket": ("host = 127.0.0.1", "host = a\nsocket = /b", 5, "socket"),
    "line that would be cut": ("user = repl", "user = " + "r" * 250, 5, "long|bytes"),
    "bad start": ("server_id = 4711", "server_id = 4711\nstart = yesterday", 8, "yesterday"),
    "no state directory": ("state_dir = {dir}", "state_dir = /nonexistent/dir", 2, "nonexistent"),
    "no section end": ("[source]", "[source", 3, ""),
}


def check(folder, text):
    path = folder + "/checked.ini"
    with open(path, "w") as file:
        file.write(text.format(dir=folder))
    os.chmod(path, 0o600)
    done = command("-c", path, "--check")
    assert "hidden-word" not in done.stderr + done.stdout
    return path, done


@pytest.mark.parametrize("name", BROKEN)
def test_check_names_what_is_wrong_and_where(folder, name, figures):
    old, new, line, said = BROKEN[name]
    assert old in GOOD
    path, done = check(folder, GOOD.replace(old, new, 1))
    assert done.returncode == CONFIGURATION
    found = re.search(r"^.*%s:%d: .*$" % (re.escape(path), line), done.stderr, re.MULTILINE)
    assert found, done.stderr
    assert re.search(said, found[0]), done.stderr
    figures(found[0][found[0].index("checked.ini"):])


def test_check_accepts_a_good_file(folder):
    done = check(folder, GOOD)[1]
    assert done.returncode == OK, done.stderr


def test_check_names_every_problem_at_once(folder):
    broken = GOOD
    for old, new in (("4711", "many"), ("user = repl", "usr = repl"), ("sinks = hot", "sinks = hut")):
        broken = broken.replace(old, new, 1)
    path, done = check(folder, broken)
    assert done.returncode == CONFIGURATION
    for line in (5, 7, 15):
        assert "%s:%d: " % (path, line) in done.stderr


def test_check_of_a_file_that_is_not_there():
    done = command("-c", "/nonexistent.ini", "--check")
    assert done.returncode == CONFIGURATION and "/nonexistent.ini" in done.stderr


BAD_PLUGINS = {
    "bad_major": "ABI 2",
    "bad_minor": "ABI 1.4",
    "bad_size": "size|bytes",
    "bad_name": "somebody_else",
    "bad_submit": "submit",
    "bad_takes": "takes",
    "bad_option": "level",
    "bad_link": "nobody_defines_this",
    "no_symbol": "fl_sink_plugin",
    "no_module": "no_module",
}


@pytest.mark.parametrize("name", BAD_PLUGINS)
def test_a_bad_plugin_is_refused_with_the_reason(folder, name):
    text = GOOD.replace("plugin = stdout", "plugin = " + name)
    path, done = check(folder, text)
    assert done.returncode == CONFIGURATION
    found = re.search(r"%s:12: .*%s.*" % (re.escape(path), BAD_PLUGINS[name]), done.stderr)
    assert found, done.stderr


def test_a_plugin_that_fails_to_open_ends_fastlane_with_the_reason(fastlane, mariadb):
    daemon = fastlane(mariadb, {"bad": {"plugin": "bad_open"}})
    assert daemon.run(seconds=30) == SINK
    assert re.search(r"\bbad\b.*", daemon.log)


def test_until_current_applies_what_is_there_and_ends(source, rig, db):
    r = rig(source, workload.tables(db, source.flavour))
    workload.Workload(source, db, 500).start().join()
    r.mark()
    assert r.daemon.run("--until-current") == OK
    for sink in ("hot", "pool", "log"):
        assert r.has_mark(sink), sink
    r.compare()
    # Where nothing is left to do it ends too.
    assert r.daemon.run("--until-current") == OK
    r.compare()


def test_sigterm_ends_it_in_time_though_redis_is_frozen(mariadb, rig, db, start_server, figures):
    redis = start_server(Redis)
    r = rig(mariadb, workload.tables(db, "mariadb"), redis=redis)
    r.daemon.start()
    workload.Workload(mariadb, db, 200).start().join()
    r.settle()
    redis.freeze()
    workload.Workload(mariadb, db, 400, seed=2).start().join()
    r.settle(sinks=("pool", "log"))
    took = r.daemon.stop(5)
    redis.thaw()
    r.daemon.start()
    r.settle()
    r.compare(stream=r.stream(repeats=True))
    r.daemon.stop()
    figures("ended %.2f s after SIGTERM" % took)


def test_sigint_ends_it_like_sigterm(mariadb, rig, db):
    r = rig(mariadb, workload.tables(db, "mariadb"))
    r.daemon.start()
    r.settle()
    r.daemon.signal(signal.SIGINT)
    assert r.daemon.wait(5) == OK


def test_a_second_sigterm_ends_it_at_once(mariadb, rig, db, start_server):
    redis = start_server(Redis)
    r = rig(mariadb, workload.tables(db, "mariadb"), redis=redis)
    r.daemon.start()
    r.settle()
    redis.freeze()
    try:
        workload.Workload(mariadb, db, 200).start().join()
        r.settle(sinks=("pool", "log"))
        r.daemon.signal(signal.SIGTERM)
        before = len(r.daemon.log)
        started = time.monotonic()
        while r.daemon.running and time.monotonic() < started + 5:
            r.daemon.signal(signal.SIGTERM)
        assert time.monotonic() - started < 1, r.daemon.log[before:]
        r.daemon.process.wait()
    finally:
        redis.thaw()


def test_no_password_is_ever_logged(mariadb, start_server, fastlane):
    word = "Sesam-offne-dich"
    redis = start_server(Redis, "--requirepass", word)
    mariadb.run(
        "CREATE OR REPLACE USER quiet@'%%' IDENTIFIED BY '%s'" % word,
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO quiet@'%'",
    )
    hot = {"plugin": "redis", "address": "127.0.0.1:%d" % redis.port, "password": word}
    daemon = fastlane(mariadb, {"hot": hot}, user="quiet", password=word,
                      fastlane={"log_level": "debug"})
    daemon.start()
    client = redis.client()
    client.auth(word)
    daemon.wait_for(lambda: client.dbsize() >= 0 and len(daemon.log) > 0, "a log")
    with mariadb.connect() as connection:
        connection.cursor().execute("CREATE DATABASE IF NOT EXISTS quiet")
    daemon.stop()
    wrong = fastlane(mariadb, {"hot": {**hot, "password": word + "!"}}, user="quiet", password=word)
    assert wrong.run(seconds=30) == SINK
    refused = fastlane(mariadb, {"hot": hot}, user="quiet", password=word + "!")
    assert refused.run(seconds=30) == SOURCE
    for one in (daemon, wrong, refused):
        assert word not in one.log, one.log
    mariadb.run("DROP USER quiet@'%'")


def test_an_unreachable_source_is_waited_for(fastlane, mariadb):
    daemon = fastlane(mariadb, {"log": {"plugin": "stdout"}}, host="127.0.0.1", port=free_port())
    daemon.start()
    daemon.wait_log(r"127\.0\.0\.1")
    daemon.stop()
