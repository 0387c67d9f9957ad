# SPDX-License-Identifier: Apache-2.0
"""Rows of which readers of a cache know what must hold at any moment, the sessions that change them,
and the readers.

`purse`: what is taken from some is given to others in the same transaction: the total never changes.
`tick`: its numbers only rise.
`ledger`: each transaction of the bank adds a row: where that is, the transaction was applied.
`bulk`: transactions that are too large to be passed on in one piece."""

import json
import threading
import time

import redis as redis_client

from . import workload
from .tables import Column, Table

PURSES, TICKS, EACH = 12, 4, 1000
TOTAL = PURSES * EACH

SCRIPT = """
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('GET', key) end
return found
"""


def tables(db):
    number = dict(kind="int", nullable=False)
    return [
        Table(db, "purse", [Column("id", "int", **number), Column("n", "int", **number)],
              after=["INSERT INTO `%s`.purse VALUES %s" % (
                  db, ", ".join("(%d, %d)" % (n, EACH) for n in range(PURSES)))]),
        Table(db, "tick", [Column("id", "int", **number), Column("n", "bigint", **number)],
              after=["INSERT INTO `%s`.tick VALUES %s" % (
                  db, ", ".join("(%d, 0)" % n for n in range(TICKS)))]),
        Table(db, "ledger", [Column("id", "bigint AUTO_INCREMENT", **number),
                             Column("who", "int", **number)]),
        Table(db, "bulk", [Column("id", "int", **number),
                           Column("note", "varchar(4000) character set latin1", "text")]),
    ]


# What readers read: whole in every batch, whatever else is not.
KEYS = ["purse:%d" % n for n in range(PURSES)] + ["tick:%d" % n for n in range(TICKS)]


class Teller(workload.Session):
    """Transfers, counts and notes that; with `mixed` every third transaction is another one on
    the tables of workload.tables(), and one of a thousand is a large one. At most `rate` transactions a second, until stop()."""

    def __init__(self, source, db, seed, rate, mixed):
        super().__init__(source, db, seed, float("inf"), survive=True)
        self.pause, self.mixed = 1 / rate, mixed
        self.enough = threading.Event()

    def run(self):
        super().run()
        if isinstance(self.failure, StopIteration):
            self.failure = None

    def transaction(self):
        if self.enough.wait(self.pause):
            raise StopIteration
        chance = self.random
        if self.mixed and chance.random() < 0.33:
            super().transaction()
            return
        if self.mixed and chance.random() < 0.001:
            self.large_transaction()
            return
        self.cursor.execute("BEGIN")
        some = sorted(chance.sample(range(PURSES), chance.randint(2, 5)))
        amounts = [chance.randint(-50, 50) for _ in some[1:]]
        for number, amount in zip(some, [-sum(amounts), *amounts]):
            self.cursor.execute("UPDATE purse SET n = n + %s WHERE id = %s", (amount, number))
        self.cursor.execute("UPDATE tick SET n = n + 1 WHERE id = %s", chance.randrange(TICKS))
        self.cursor.execute("INSERT INTO ledger (who) VALUES (%s)", some[0])
        self.cursor.execute("COMMIT")
        self.committed += 1


    def large_transaction(self):
        note = self.random.choice("abcdefgh") * 3000
        self.cursor.execute("BEGIN")
        for first in range(0, 500, 100):
            self.cursor.execute("REPLACE INTO bulk VALUES " + ", ".join(
                "(%d, '%s')" % (number, note) for number in range(first, first + 100)))
        self.cursor.execute("COMMIT")
        self.committed += 1


class Bank:
    def __init__(self, source, db, sessions=4, seed=1, rate=200, mixed=False):
        self.tellers = [Teller(source, db, "%s %d" % (seed, n), rate / sessions, mixed)
                        for n in range(sessions)]

    def start(self):
        for teller in self.tellers:
            teller.start()
        return self

    @property
    def committed(self):
        return sum(teller.committed for teller in self.tellers)

    def check(self):
        for teller in self.tellers:
            if teller.failure:
                raise teller.failure

    def stop(self):
        for teller in self.tellers:
            teller.enough.set()
        for teller in self.tellers:
            teller.join()
        self.check()


class Reader(threading.Thread):
    """Reads again and again, and keeps what must not be in `wrong`."""

    def __init__(self):
        super().__init__(daemon=True)
        self.enough = threading.Event()
        self.reads = 0
        self.wrong = []
        self.failure = None

    def run(self):
        try:
            while not self.enough.is_set():
                self.read()
        except BaseException as error:
            self.failure = error

    def stop(self):
        self.enough.set()
        self.join()
        if self.failure:
            raise self.failure


class RedisReader(Reader):
    """`how`: one MULTI of GETs ("multi"), or a script. `losses()`: counts how often the server may
    have come back with less than it had shown: what was seen before then no longer counts."""

    def __init__(self, server, how, losses=lambda: 0):
        super().__init__()
        self.server, self.how, self.losses = server, how, losses
        self.client, self.known_losses = None, 0
        self.floor = {}
        self.start()

    def connect(self):
        self.client = redis_client.Redis(
            host="127.0.0.1", port=self.server.port, socket_timeout=5,
            single_connection_client=True)
        losses = self.losses()
        if losses != self.known_losses:
            self.floor = {}
        self.known_losses = losses

    def read(self):
        try:
            if self.client is None:
                self.connect()
            if self.how == "multi":
                pipe = self.client.pipeline(transaction=True)
                for key in KEYS:
                    pipe.get(key)
                found = pipe.execute()
            else:
                found = self.client.eval(SCRIPT, len(KEYS), *KEYS)
        except redis_client.RedisError:
            # Never the same connection: it would come back by itself, unnoticed.
            if self.client is not None:
                self.client.close()
            self.client = None
            self.enough.wait(0.05)
            return
        self.look(found)

    def look(self, found):
        self.reads += 1
        numbers = [None if value is None else json.loads(value)["n"] for value in found]
        purses, ticks = numbers[:PURSES], numbers[PURSES:]
        if any(n is not None for n in purses):
            if None in purses:
                self.wrong.append("%s: some purses are missing: %r" % (self.how, purses))
            elif sum(purses) != TOTAL:
                self.wrong.append("%s: the total is %d: %r" % (self.how, sum(purses), purses))
        for key, n in enumerate(ticks):
            if n is None:
                if key in self.floor:
                    self.wrong.append("%s: tick:%d is gone" % (self.how, key))
            elif n < self.floor.get(key, 0):
                self.wrong.append(
                    "%s: tick:%d fell from %d to %d" % (self.how, key, self.floor[key], n))
            if n is not None:
                self.floor[key] = n


class MemcachedReader(Reader):
    """Keeps each fall of a tick: (time, since when, key, from, to). Times are the clock's; `since` is
    when the greater number was first read."""

    def __init__(self, server):
        super().__init__()
        self.server, self.client = server, None
        self.last = {}
        self.falls = []
        self.start()

    def read(self):
        try:
            if self.client is None:
                self.client = self.server.client()
                self.client.connection.settimeout(5)
            for key in range(TICKS):
                self.look(key, self.client.get("tick:%d" % key))
        except (OSError, ValueError):
            if self.client is not None:
                self.client.close()
            self.client = None
            self.enough.wait(0.05)

    def look(self, key, value):
        self.reads += 1
        if value is None:
            return
        now, n = time.time(), json.loads(value)["n"]
        since, before = self.last.get(key, (now, 0))
        if n < before:
            self.falls.append((now, since, key, before, n))
        if n != before or key not in self.last:
            self.last[key] = (now, n)
