# SPDX-License-Identifier: Apache-2.0
"""Runs a script's statements in its sessions.

One statement after the other, in the script's order; but a statement that does not come back soon waits
for another session's lock, and goes on waiting while the script goes on with the others. What comes
for a session that is still waiting is queued behind it. Statements that the server refuses are
counted, and the script goes on, as `mysql --force` does."""

import collections
import queue
import threading

import pymysql

from harness.wait import wait_for

SOON = 0.15  # seconds; this only shapes the mix, nothing depends on it


class Session(threading.Thread):
    def __init__(self, source, refused, setting):
        super().__init__(daemon=True)
        self.source, self.refused, self.setting = source, refused, setting
        self.todo = queue.Queue()
        self.connection = None
        self.failure = None
        self.database = None
        self.start()

    def put(self, text):
        """Queues a statement, or None to disconnect; the event is set when it is done."""
        done = threading.Event()
        self.todo.put((text, done))
        return done

    def run(self):
        while True:
            text, done = self.todo.get()
            try:
                if text is None:
                    self.disconnect()
                else:
                    self.execute(text)
            except BaseException as error:
                self.failure = error
            done.set()
            if text is None:
                return

    def disconnect(self):
        """The server has forgotten the session when this returns, but for what it has prepared."""
        if self.connection is None:
            return
        number = self.connection.thread_id()
        try:
            self.connection.close()
        except pymysql.MySQLError:
            pass  # it was gone already
        self.connection = None
        with self.source.connect() as other, other.cursor() as cursor:
            wait_for(lambda: cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE id = %d" % number) == 0,
                "the session's end")

    def execute(self, text):
        if self.connection is None:
            self.connection = self.source.connect()
            if self.setting:
                self.connection.query(self.setting)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(text)
                while cursor.nextset():
                    pass
        except (pymysql.MySQLError, UnicodeError) as error:
            number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            self.refused[number] += 1
            self.refused.shown.setdefault(number, "%s: %.300s" % (error, text))
            if isinstance(error, pymysql.InterfaceError) or number in (2006, 2013, 1927):
                self.disconnect()


class Refused(collections.Counter):
    """Error numbers; `shown`: one example of each."""

    def __init__(self):
        super().__init__()
        self.shown = {}


class Player:
    """`setting`: a statement that each session begins with."""

    def __init__(self, source, setting=None):
        self.source, self.setting = source, setting
        self.sessions = {}
        self.current = "main"
        self.waiting = []
        self.statements = 0
        self.refused = Refused()

    def session(self):
        if self.current not in self.sessions:
            self.sessions[self.current] = Session(
                self.source, self.refused, self.setting)
        return self.sessions[self.current]

    def run(self, text):
        self.statements += 1
        done = self.session().put(text)
        if not done.wait(SOON):
            self.waiting.append(done)

    def disconnect(self):
        if self.current in self.sessions:
            done = self.sessions.pop(self.current).put(None)
            self.waiting.append(done)
            done.wait(10)

    def rest(self, seconds=120):
        """Waits until no statement is under way."""
        for done in self.waiting:
            assert done.wait(seconds), "a statement has not ended after %d s" % seconds
        self.waiting = []
        for session in self.sessions.values():
            if session.failure:
                raise session.failure

    def close(self):
        for self.current in list(self.sessions):
            self.disconnect()
        self.rest()
