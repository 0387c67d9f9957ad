# SPDX-License-Identifier: Apache-2.0
"""Mixed transactions on a few tables, by several sessions at a time."""

import random
import threading

import pymysql

from .tables import Column, Table
from .wait import wait_for

NEVER = "never committed"

# A deadlock's victim, a lock that took too long, a server that went away.
ROLLED_BACK = {1213, 1205}
GONE = {1053, 1927, 2003, 2006, 2013, 2002}
DUPLICATE = 1062


def tables(db, flavour):
    return [
        Table(db, "account", [
            Column("id", "int", "int", nullable=False),
            Column("name", "varchar(40)", "text"),
            Column("balance", "decimal(12,2)", "decimal"),
            Column("seen", "datetime(3)", "text"),
        ]),
        Table(db, "item", [
            Column("a", "int", "int", nullable=False),
            Column("b", "varchar(20)", "text", nullable=False),
            Column("n", "bigint unsigned", "int"),
            Column("note", "varchar(100) character set latin1", "text"),
        ], key=("a", "b")),
        Table(db, "flat", [
            Column("code", "varchar(60)", "text", nullable=False),
            Column("payload", "varbinary(80)", "binary"),
            Column("ratio", "double", "double"),
            Column("note", "text", "text"),
        ], key=("code",)),
        Table(db, "event", [
            Column("id", "bigint unsigned AUTO_INCREMENT", "int", nullable=False),
            Column("kind", "enum('new','paid','sent')", "text"),
            Column("at", "timestamp(6)", "text"),
            Column("note", "varchar(40)", "text"),
        ]),
    ]


class Session(threading.Thread):
    """Runs `count` transactions. `survive`: goes on when the server was away."""

    def __init__(self, source, db, seed, count, survive=False):
        super().__init__()
        self.source, self.db, self.count, self.survive = source, db, count, survive
        self.random = random.Random(seed)
        self.committed = self.rolled_back = 0
        self.failure = None

    def run(self):
        try:
            self.connect()
            victim = False
            while self.committed + self.rolled_back < self.count:
                try:
                    if victim:
                        self.cursor.execute("ROLLBACK")
                    victim = False
                    self.transaction()
                except (pymysql.OperationalError, pymysql.InterfaceError) as error:
                    if error.args[0] in ROLLED_BACK:
                        victim = True
                    elif self.survive and (error.args[0] in GONE or error.args[0] == 0):
                        self.connect()
                    else:
                        raise
        except BaseException as error:
            self.failure = error

    def connect(self):
        def connected():
            try:
                return self.source.connect(self.db)
            except pymysql.OperationalError:
                if not self.survive:
                    raise
        self.connection = wait_for(connected, "the source takes connections")
        self.cursor = self.connection.cursor()

    def execute(self, sql, *values):
        try:
            self.cursor.execute(sql, values or None)
        except pymysql.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise

    def transaction(self):
        chance = self.random
        if chance.random() < 0.1:
            self.change("alone")  # commits by itself
            self.committed += 1
            return
        self.cursor.execute("BEGIN")
        ends = chance.random() < 0.9
        for _ in range(chance.randint(1, 8)):
            if chance.random() < 0.08:
                self.cursor.execute("SAVEPOINT s")
                for _ in range(chance.randint(1, 3)):
                    self.change(NEVER)
                self.cursor.execute("ROLLBACK TO s")
            self.change("fine" if ends else NEVER)
        self.cursor.execute("COMMIT" if ends else "ROLLBACK")
        if ends:
            self.committed += 1
        else:
            self.rolled_back += 1

    def change(self, note):
        chance = self.random
        number, other = chance.randrange(300), chance.randrange(300)
        chance.choice((
            self.change_account, self.change_item, self.change_flat, self.change_event,
        ))(chance.random(), number, other, note)

    def change_account(self, roll, number, other, note):
        if roll < 0.35:
            self.execute(
                "INSERT INTO account VALUES (%s, %s, %s, NOW(3)) ON DUPLICATE KEY UPDATE"
                " balance = balance + 0.25, name = %s", number, note, number / 4, note)
        elif roll < 0.5:
            self.execute("UPDATE account SET name = %s, balance = balance - 1 WHERE id BETWEEN %s"
                         " AND %s", note, number, number + 5)
        elif roll < 0.65:  # the key moves
            self.execute("UPDATE account SET id = %s, name = %s WHERE id = %s", other, note, number)
        elif roll < 0.8:
            self.execute("REPLACE INTO account VALUES (%s, %s, NULL, '2024-02-29 01:02:03.4'),"
                         " (%s, NULL, 1.5, NULL)", number, note, other)
        else:
            self.execute("DELETE FROM account WHERE id IN (%s, %s)", number, other)

    def change_item(self, roll, number, other, note):
        b = "b %d%%ü" % (other % 7)
        if roll < 0.4:
            self.execute("REPLACE INTO item VALUES (%s, %s, %s, %s), (%s, 'multi', 1, NULL)",
                         number, b, 2**64 - 1 - other, note + " é", other)
        elif roll < 0.6:
            self.execute("UPDATE item SET n = %s, note = %s WHERE a = %s", other, note, number)
        elif roll < 0.8:
            self.execute("UPDATE item SET b = %s, note = %s WHERE a = %s AND b = 'multi'",
                         b, note, number)
        else:
            self.execute("DELETE FROM item WHERE a = %s", number)

    def change_flat(self, roll, number, other, note):
        code = "%s/%d" % ("x" * (number % 50), number)
        if roll < 0.6:
            self.execute("REPLACE INTO flat VALUES (%s, %s, %s, %s)",
                         code, bytes(range(number % 80)), other / 7, note * (1 + number % 20))
        elif roll < 0.8:
            self.execute("UPDATE flat SET payload = NULL, ratio = -ratio, note = %s"
                         " WHERE code = %s", note, code)
        else:
            self.execute("DELETE FROM flat WHERE code = %s", code)

    def change_event(self, roll, number, other, note):
        if roll < 0.7:
            self.execute("INSERT INTO event (kind, at, note) VALUES ('new', NOW(6), %s),"
                         " ('paid', NOW(6), NULL)", note)
        elif roll < 0.9:
            self.execute("UPDATE event SET kind = 'sent', note = %s WHERE id %% 300 = %s"
                         " LIMIT 3", note, number)
        else:
            self.execute("DELETE FROM event WHERE id %% 300 = %s", other)


class Workload:
    """`count` transactions, by `sessions` sessions; they run once started, until join()."""

    def __init__(self, source, db, count, sessions=4, seed=1, survive=False):
        self.sessions = [
            Session(source, db, "%s %d" % (seed, n), count // sessions, survive)
            for n in range(sessions)
        ]

    def start(self):
        for session in self.sessions:
            session.start()
        return self

    @property
    def done(self):
        return sum(session.committed + session.rolled_back for session in self.sessions)

    def wait_done(self, count):
        """Until so many transactions were made."""
        wait_for(lambda: self.done >= count or not self.sessions[0].is_alive(),
                 "%d transactions" % count, 300)

    def join(self):
        for session in self.sessions:
            session.join()
        for session in self.sessions:
            if session.failure:
                raise session.failure
        return self

    @property
    def committed(self):
        return sum(session.committed for session in self.sessions)

    @property
    def rolled_back(self):
        return sum(session.rolled_back for session in self.sessions)
