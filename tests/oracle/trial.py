# SPDX-License-Identifier: Apache-2.0
"""One script, run on a server while fastlane follows, and what came of it."""

import os
import re
import time

from harness.daemon import Fastlane

from . import truth
from .compare import Count, compare
from .fold import MARK, Fold
from .player import Player
from .source import start_position

MOST_SHOWN = 20


class Trial:
    """`image`: the sessions' binlog_row_image. `tamper`: a function that makes lists of lines of the lines that fastlane wrote, to show that
    the oracle finds what is wrong."""

    def __init__(self, folder, source, partial=False, image="full", expect=(), tamper=None):
        self.source, self.tamper = source, tamper
        self.expected = [re.compile(pattern) for pattern in expect]
        # fastlane refuses a server that has another one globally.
        self.player = Player(source, None if image == "full" else
                             "SET SESSION binlog_row_image = " + image)
        self.fold = Fold(partial or image != "full")
        self.count = Count()
        self.barriers = self.marks = self.restarts = 0
        self.offset, self.rest = 0, b""
        self.place = None
        self.prepare()
        self.first_file = source.file_position().split(":")[0]
        self.daemon = Fastlane(folder, source, sinks={"log": {"plugin": "stdout"}},
                               start=start_position(source))
        self.seconds = time.monotonic()

    def prepare(self):
        """Only what the script makes is to be there."""
        with self.source.connect() as connection, connection.cursor() as cursor:
            for name in truth.databases(cursor):
                cursor.execute("DROP DATABASE %s" % truth.quoted(name))
            cursor.execute("DROP DATABASE IF EXISTS %s" % MARK[0])
            cursor.execute("CREATE DATABASE %s" % MARK[0])
            cursor.execute("CREATE TABLE %s.%s (id int PRIMARY KEY)" % MARK)

    def run(self, steps):
        try:
            self.daemon.start()
            for step in steps:
                self.step(step)
            self.player.close()
            self.barrier()
            self.daemon.stop(60)
            return self
        finally:
            self.daemon.kill()
            self.seconds = time.monotonic() - self.seconds

    def step(self, step):
        if step.kind == "sql":
            self.player.run(step.text)
        elif step.kind == "session":
            self.player.current = step.text
        elif step.kind == "disconnect":
            self.player.disconnect()
        elif step.kind == "barrier":
            self.barrier()
        elif step.kind == "expect doubt":
            self.expected.append(re.compile(step.text))
        elif step.kind in ("restart", "kill"):
            self.restart(step.kind == "kill")

    def restart(self, killed):
        self.restarts += 1
        if killed:
            self.daemon.kill()
        else:
            self.daemon.stop(60)
        self.take_lines()
        self.rest = b""
        self.fold.restarted(killed)
        self.daemon.start()

    # ---- the stream

    def take_lines(self):
        """Folds what fastlane has written since."""
        with open(self.daemon.out, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            for line in self.tamper(line) if self.tamper else (line,):
                self.fold.feed(line)
        return bool(lines)

    def barrier(self):
        """All sessions come to rest; the stream is followed to a mark behind all changes, and there
        the tables have to be equal."""
        self.player.rest()
        self.marks += 1
        self.source.run("INSERT INTO %s.%s VALUES (%d)" % (*MARK, self.marks))
        self.daemon.wait_for(
            lambda: self.take_lines() and self.fold.mark == self.marks,
            "mark %d in the stream" % self.marks, 180)
        self.barriers += 1
        self.place = self.fold.mark_head
        with self.source.connect() as connection:
            tables = truth.read(connection)
        count, problems = compare(self.fold.tables, tables, "at " + self.where)
        self.count.add(count)
        self.fold.problems += problems

    def binlogs(self):
        """The server's files that the script is in."""
        folder = self.source.dir + "/data/"
        return [folder + name for name in sorted(os.listdir(folder))
                if re.fullmatch(r"binlog\.\d+", name) and name >= self.first_file]

    @property
    def where(self):
        return " ".join(str(part) for part in (
            self.place[0], "%s:%s" % self.place[1:]) if part) if self.place else "the start"

    # ---- the outcome

    @property
    def doubts(self):
        """Those that were not expected."""
        return ["%s.%s: %s (%s)" % (*table, text, place) for table, text, place in self.fold.doubts
                if not any(pattern.search(text) for pattern in self.expected)]

    @property
    def failed(self):
        return bool(self.fold.problems or self.doubts or self.fold.unread)

    def summary(self):
        fold, count, player = self.fold, self.count, self.player
        return (
            "%d statements (%d refused), %d transactions, %d changes, %d values checked on the way; "
            "%d barriers: %d rows, %d values compared, %d values and %d rows adopted; %d doubts; "
            "%d differences; at %s; %.1f s" % (
                player.statements, sum(player.refused.values()), fold.transactions, fold.changes,
                fold.checked, self.barriers, count.rows, count.values, count.adopted,
                count.adopted_rows, len(fold.doubts), len(fold.problems), self.where,
                self.seconds))

    def report(self):
        """What is wrong, a line each."""
        lines = ["difference: %s" % problem for problem in self.fold.problems]
        lines += ["doubt: %s" % doubt for doubt in self.doubts]
        lines += ["statement not understood: %.300s" % sql for sql in self.fold.unread]
        more = len(lines) - MOST_SHOWN
        return lines[:MOST_SHOWN] + (["... and %d more" % more] if more > 0 else [])
