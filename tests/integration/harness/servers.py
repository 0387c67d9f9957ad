# SPDX-License-Identifier: Apache-2.0
"""The real servers, each in a directory of its own and on a free port, by tests/servers/*.sh."""

import os
import signal
import socket
import subprocess

import pymysql
import redis

from .memcached import Memcached

SCRIPTS = os.path.join(os.path.dirname(__file__), "..", "..", "servers")

_given = set()


def free_port():
    """A port that nobody listens on, another one each time."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # MySQL's port is its server id here, and the tests' own ids stay below.
        if port not in _given and port > 10000:
            _given.add(port)
            return port


class Server:
    """One server; `options` are added to its command line."""

    script = None

    def __init__(self, folder, *options):
        self.dir = str(folder)
        self.options = options
        self.port = free_port()

    def call(self, name, *more):
        done = subprocess.run(
            [os.path.join(SCRIPTS, self.script), name, self.dir, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        assert done.returncode == 0, "%s %s: %s" % (self.script, name, done.stdout)

    def start(self):
        self.call("start", str(self.port), *self.options)
        self.call("wait-ready")
        return self

    def stop(self):
        self.call("stop")

    def kill(self):
        """As a crash would."""
        self.call("kill")

    @property
    def pid(self):
        with open(self.dir + "/pid") as file:
            return int(file.read())

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)


class Redis(Server):
    script = "redis.sh"

    def client(self):
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=30)


class MemcachedServer(Server):
    script = "memcached.sh"

    def client(self):
        return Memcached(self.port)


class Sql(Server):
    """MariaDB or MySQL."""

    def __init__(self, folder, *options):
        super().__init__(folder, "--binlog-row-metadata=FULL", *options)

    @property
    def socket(self):
        return self.dir + "/sock"

    def connect(self, database=None):
        """A session as app; values come as the text or bytes that the server sent."""
        connection = pymysql.connect(
            unix_socket=self.socket, user="app", password="app", charset="utf8mb4",
            database=database, autocommit=True, conv={},
            init_command="SET SESSION time_zone = '+00:00'",
        )
        connection.encoders = pymysql.converters.encoders
        return connection

    def run(self, *statements, database=None):
        """Runs statements in a session of their own; returns the last one's rows."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def value(self, statement):
        return self.run(statement)[0][0]

    def set_global(self, **variables):
        for name, value in variables.items():
            self.run("SET GLOBAL %s = %s" % (name, value))

    def file_position(self):
        """Where the binary log ends, as FILE:POS."""
        return "%s:%s" % self.run(self.status_statement)[0][:2]


class MariaDB(Sql):
    script = "mariadb.sh"
    flavour = "mariadb"
    least_metadata = "NO_LOG"
    status_statement = "SHOW MASTER STATUS"

    def gtids(self):
        return self.value("SELECT @@gtid_binlog_pos")


class MySQL(Sql):
    script = "mysql97.sh"
    flavour = "mysql"
    least_metadata = "MINIMAL"
    status_statement = "SHOW BINARY LOG STATUS"

    def gtids(self):
        return self.value("SELECT @@gtid_executed").replace("\n", "")
