# SPDX-License-Identifier: Apache-2.0
"""Who is measured: a command each, which reads a workload's binlog file from the source and leaves the
rows somewhere."""

import fnmatch
import os
import shutil
import subprocess
import tempfile

from .workloads import DATABASE

HERE = os.path.dirname(os.path.realpath(__file__))


class Bench:
    """What the contenders work with: the build, the folder, the caches; the source is each workload's."""

    def __init__(self, build, folder, redis, memcached):
        self.build, self.folder, self.redis, self.memcached = build, folder, redis, memcached
        self.source = self.workload = None
        self.verifying = False  # all have the same rows then
        self.node = None  # the folder with zongji.js, if npm has what it needs

    def program(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def trial(self, file, *arguments):
        return [self.program("trial"), "-P", str(self.source.port), "-f", file, *map(str, arguments)]

    def commands_file(self, kind):
        return "%s/%s.commands" % (self.folder, kind)

    def install_peers(self):
        """Returns why zongji can't take part; None: it can."""
        folder = os.path.join(self.build, "bench-npm")
        if not shutil.which("node") or not shutil.which("npm"):
            return "it needs nodejs and npm"
        shutil.copytree(os.path.join(HERE, "..", "npm"), folder, dirs_exist_ok=True)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if done.returncode:
            return "npm install failed: " + done.stdout[-300:]
        self.node = folder
        return None


class Contender:
    """`into`: what takes the rows: None (nobody), stdout, redis, memcached or all. `share`: the part of
    the rows that is enough for one that is slow; `long`: one that is fast takes all that there are. `is_peer`: it
    may fail, and is left out then. `command`: of the bench, the file to begin with, and the rows."""

    def __init__(self, name, title, into, command, share=1, long=False, without=(), setting=None, is_peer=False):
        self.name, self.title, self.into, self.command = name, title, into, command
        self.share, self.long, self.without, self.setting, self.is_peer = share, long, without, setting, is_peer

    def reads(self, bench):
        """The file to begin with, and the rows."""
        workload = bench.workload
        if bench.verifying:
            return workload.file, workload.rows
        if self.long:
            return workload.long_file, workload.long_rows
        return workload.file, max(1, int(workload.rows * self.share))

    def caches(self, bench):
        return {"redis": [bench.redis], "memcached": [bench.memcached],
                "all": [bench.redis, bench.memcached]}.get(self.into, [])


def fastlane(*sinks, mapped=True, start=None):
    def command(bench, file, _):
        from harness import daemon
        workload = bench.workload
        known = {
            "redis": {"plugin": "redis", "address": "127.0.0.1:%d" % bench.redis.port},
            "memcached": {"plugin": "memcached", "servers": "127.0.0.1:%d" % bench.memcached.port},
            "stdout": {"plugin": "stdout"},
        }
        # Without a mapped table: a rule for another one.
        rule = workload.map() if mapped else {"table": DATABASE + ".other", "key": "other:{id}"}
        ours = daemon.Fastlane(
            tempfile.mkdtemp(dir=bench.folder), bench.source, {name: known[name] for name in sinks},
            {} if sinks == ("stdout",) else {"rows": rule}, host="127.0.0.1", port=bench.source.port,
            start=start or file + ":4")
        return [daemon.BINARY, "-c", ours.config, "--until-current"]
    return command


def zongji(into_redis):
    def command(bench, file, rows):
        if bench.node is None:
            return None
        return ["node", bench.node + "/zongji.js", str(bench.source.port), file, str(rows),
                *([str(bench.redis.port)] if into_redis else [])]
    return command


def binlog_tool(bench, file, _):
    if not shutil.which("mariadb-binlog"):
        return None
    return ["mariadb-binlog", "--no-defaults", "-vv", "--base64-output=decode-rows",
            "--read-from-remote-server", "--host=127.0.0.1", "--port=%d" % bench.source.port,
            "--user=repl", "--password=repl", file]


def writer(kind):
    """Sends what the trial would have sent."""
    def command(bench, file, rows):
        commands = bench.commands_file(kind)
        if not os.path.exists(commands):
            subprocess.run(bench.trial(file, "-o", commands, kind), check=True, stderr=subprocess.DEVNULL)
        port = getattr(bench, kind).port
        return [bench.program("writer"), kind, str(port), commands, str(rows)]
    return command


def trial(*arguments, cache=None):
    def command(bench, file, rows):
        port = ["-s", getattr(bench, cache).port] if cache else []
        return bench.trial(file, "-n", rows if rows < bench.workload.rows else 0, *port, *arguments)
    return command


CONTENDERS = [
    Contender("packets", "packets alone", None, trial("packets"), long=True),
    Contender("start", "fastlane, with nothing to read", None, fastlane("stdout", start="current")),
    Contender("unmapped", "fastlane, no table mapped", None, fastlane("redis", mapped=False), long=True,
              setting="redis"),
    Contender("trial", "trial", "stdout", trial("lines"), long=True),
    Contender("stdout", "fastlane", "stdout", fastlane("stdout"), long=True),
    Contender("connector", "Connector/C's row reader", "stdout",
              lambda bench, file, rows: [bench.program("connector_rows"), str(bench.source.port), file, str(rows)],
              long=True, without=("W3",), is_peer=True),
    Contender("zongji", "zongji", "stdout", zongji(False), share=1 / 5, is_peer=True),
    Contender("mariadb-binlog", "mariadb-binlog -vv (text)", "stdout", binlog_tool, is_peer=True),
    Contender("redis-writer", "plain writer", "redis", writer("redis")),
    Contender("redis-trial", "trial", "redis", trial("redis", cache="redis")),
    Contender("redis-multi", "trial, MULTI and position a transaction", "redis",
              trial("-m", "redis", cache="redis")),
    Contender("redis", "fastlane", "redis", fastlane("redis")),
    Contender("redis-zongji", "zongji, node-redis", "redis", zongji(True), share=1 / 5, is_peer=True),
    Contender("memcached-writer", "plain writer", "memcached", writer("memcached")),
    Contender("memcached-trial", "trial", "memcached", trial("memcached", cache="memcached")),
    Contender("memcached", "fastlane", "memcached", fastlane("memcached")),
    Contender("memcached-library", "libmemcached, one at a time", "memcached",
              trial("libmemcached", cache="memcached"), share=1 / 20),
    Contender("all", "fastlane", "all", fastlane("stdout", "redis", "memcached")),
]

OURS = {contender.name for contender in CONTENDERS if contender.title.startswith("fastlane")} - {"start"}
GROUPS = {"lines": ["packets", "start"] + [contender.name for contender in CONTENDERS if contender.into == "stdout"]}


def chosen(words):
    """The contenders of some names, groups, and patterns such as redis*; with none, all. ValueError: not known."""
    names = set()
    for word in words or ["*"]:
        found = GROUPS.get(word) or [contender.name for contender in CONTENDERS
                                     if fnmatch.fnmatchcase(contender.name, word)]
        if not found:
            raise ValueError("%s is none of %s, nor a pattern for them" % (
                word, ", ".join([*GROUPS, *(contender.name for contender in CONTENDERS)])))
        names.update(found)
    return [contender for contender in CONTENDERS if contender.name in names]
