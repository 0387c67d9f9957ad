# SPDX-License-Identifier: Apache-2.0
"""The real servers, each in a directory of its own and on a free port, by tests/servers/*.sh."""

import functools
import os
import random
import re
import signal
import socket
import subprocess

import pymysql
import redis

from .memcached import Memcached

SCRIPTS = os.path.join(os.path.dirname(__file__), "..", "..", "servers")

_given = set()


def free_port():
    """A port that nobody listens on, another one each time; below those that the system gives to
    outgoing connections, so that a server that is started again finds it free."""
    while True:
        # MySQL's port is its server id here, and the tests' own ids stay below.
        port = random.randrange(10001, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
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
    """MariaDB or MySQL. `least_metadata`: what binlog_row_metadata is called where it is least; None
    where there is no such setting, and table maps never have more."""

    flavour = least_metadata = None
    status_statement = "SHOW MASTER STATUS"
    # What tests may have changed, and where it started.
    settings = {"binlog_row_image": "FULL", "binlog_format": "ROW", "read_only": 0,
                "innodb_lock_wait_timeout": 50}

    def __init__(self, folder, *options):
        if self.least_metadata:
            options = ("--binlog-row-metadata=FULL", *options)
        super().__init__(folder, *options)

    @property
    def socket(self):
        return self.dir + "/sock"

    def connect(self, database=None, **options):
        """A session as app; values come as the text or bytes that the server sent."""
        connection = pymysql.connect(**{
            "unix_socket": self.socket, "user": "app", "password": "app", "charset": "utf8mb4",
            "database": database, "autocommit": True, "conv": {},
            "init_command": "SET SESSION time_zone = '+00:00'", **options,
        })
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

    @functools.cached_property
    def version(self):
        """(10, 11, 8), whichever the flavour."""
        text = self.value("SELECT VERSION()")
        return tuple(int(number) for number in re.findall(r"\d+", text)[:3])

    def set_global(self, **variables):
        for name, value in variables.items():
            self.run("SET GLOBAL %s = %s" % (name, value))

    def restore(self):
        """The settings that it started with."""
        self.set_global(**self.settings)
        if self.least_metadata:
            self.set_global(binlog_row_metadata="FULL")

    def set_least_metadata(self):
        """From now on table maps have no column names."""
        if self.least_metadata:
            self.set_global(binlog_row_metadata="'%s'" % self.least_metadata)

    def file_position(self):
        """Where the binary log ends, as FILE:POS."""
        return "%s:%s" % self.run(self.status_statement)[0][:2]


class MariaDB(Sql):
    script = "mariadb.sh"
    flavour = "mariadb"
    least_metadata = "NO_LOG"

    def gtids(self):
        return self.value("SELECT @@gtid_binlog_pos")


class MariaDB118(MariaDB):
    script = "mariadb118.sh"


class MySQL(Sql):
    script = "mysql97.sh"
    flavour = "mysql"
    least_metadata = "MINIMAL"
    status_statement = "SHOW BINARY LOG STATUS"

    def gtids(self):
        return self.value("SELECT @@global.gtid_executed").replace("\n", "")


class MySQL56(MySQL):
    script = "mysql56.sh"
    least_metadata = None
    status_statement = "SHOW MASTER STATUS"
