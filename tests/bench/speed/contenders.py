# SPDX-License-Identifier: Apache-2.0
"""Who is measured: a command each, which reads a workload's binlog file from the source and leaves the
rows somewhere."""

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
        self.node = None  # the folder with zongji.js, if npm has what it needs

    def program(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def trial(self, *arguments):
        return [self.program("trial"), "-P", str(self.source.port), "-f", self.workload.file,
                *map(str, arguments)]

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
    the rows that is enough for one that is slow. `is_peer`: it may fail, and is left out then."""

    def __init__(self, name, title, into, command, share=1, without=(), setting=None, is_peer=False):
        self.name, self.title, self.into, self.command = name, title, into, command
        self.share, self.without, self.setting, self.is_peer = share, without, setting, is_peer

    def rows(self, workload):
        return max(1, int(workload.rows * self.share))

    def caches(self, bench):
        return {"redis": [bench.redis], "memcached": [bench.memcached],
                "all": [bench.redis, bench.memcached]}.get(self.into, [])


def fastlane(*sinks, mapped=True, start=None):
    def command(bench, _):
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
            start=start or workload.file + ":4")
        return [daemon.BINARY, "-c", ours.config, "--until-current"]
    return command


def zongji(into_redis):
    def command(bench, rows):
        if bench.node is None:
            return None
        return ["node", bench.node + "/zongji.js", str(bench.source.port), bench.workload.file, str(rows),
                *([str(bench.redis.port)] if into_redis else [])]
    return command


def binlog_tool(bench, _):
    if not shutil.which("mariadb-binlog"):
        return None
    return ["mariadb-binlog", "--no-defaults", "-vv", "--base64-output=decode-rows",
            "--read-from-remote-server", "--host=127.0.0.1", "--port=%d" % bench.source.port,
            "--user=repl", "--password=repl", bench.workload.file]


def writer(kind):
    """Sends what the trial would have sent."""
    def command(bench, rows):
        file = bench.commands_file(kind)
        if not os.path.exists(file):
            subprocess.run(bench.trial("-o", file, kind), check=True, stderr=subprocess.DEVNULL)
        port = getattr(bench, kind).port
        return [bench.program("writer"), kind, str(port), file, str(rows)]
    return command


def trial(*arguments, cache=None):
    def command(bench, rows):
        port = ["-s", getattr(bench, cache).port] if cache else []
        return bench.trial("-n", 0 if rows == bench.workload.rows else rows, *port, *arguments)
    return command


CONTENDERS = [
    Contender("packets", "packets alone", None, trial("packets")),
    Contender("start", "fastlane, with nothing to read", None, fastlane("stdout", start="current")),
    Contender("unmapped", "fastlane, no table mapped", None, fastlane("redis", mapped=False), setting="redis"),
    Contender("trial", "trial", "stdout", trial("lines")),
    Contender("stdout", "fastlane", "stdout", fastlane("stdout")),
    Contender("connector", "Connector/C's row reader", "stdout",
              lambda bench, rows: [bench.program("connector_rows"), str(bench.source.port),
                                   bench.workload.file, str(rows)], without=("W3",), is_peer=True),
    Contender("zongji", "zongji", "stdout", zongji(False), is_peer=True),
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
