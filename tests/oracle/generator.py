# SPDX-License-Identifier: Apache-2.0
"""Random scripts: the same one for the same seed, server and features."""

import random

from . import dml, tables, transactions, ddl
from .columns import pools
from .features import FEATURES
from .script import Step, sql
from .truth import quoted
from .world import Talk


class Generator:
    """`careful`: the log has no column names, so DDL stands alone between barriers."""

    def __init__(self, seed, server, features, careful):
        self.server, self.careful = server, careful or server == "mysql56"
        self.random = random.Random("%s %s" % (seed, server))
        self.features = [
            name for name in features if self.random.random() < FEATURES[name][1]]
        self.mariadb = "mariadb" in server
        self.old = server == "mysql56"
        self.db, self.other = "o%s" % seed, "o%s.b" % seed if "names" in self.features else "o%s_b" % seed
        self.steps = [Step("sql", "SELECT 'seed %s on %s with %s'" % (
            seed, server, " ".join(self.features)))]
        self.talks = [Talk("s%d" % n) for n in range(3 if "transactions" in self.features else 1)]
        self.talk = None
        self.tables = []
        self.branches = []
        self.numbers = 0
        self.slowly = False  # what is logged has been read before anything else happens
        self.base = int(seed) * 100000  # numbers that no other seed uses
        self.pools = pools(server, self.features)

    # ---- writing

    def has(self, name):
        return name in self.features

    def chance(self, share):
        return self.random.random() < share

    def number(self):
        self.numbers += 1
        return self.numbers

    def add(self, text):
        """A statement in the session at hand."""
        self.steps.append(sql(text))
        if self.slowly:
            self.directive("barrier")

    def directive(self, kind, text=""):
        self.steps.append(Step(kind, text))

    def turn_to(self, talk):
        if self.talk is not talk:
            self.directive("session", talk.name)
            self.talk = talk
        if talk.fresh:
            talk.fresh = False
            self.set_up()

    def set_up(self):
        self.add("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
        self.add("SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 2, time_zone = '%s'"
                 % self.random.choice(("+00:00", "+00:00", "-03:30", "+05:45")))
        if not self.old:
            self.add("SET SESSION innodb_strict_mode = 0")
        self.add("USE %s" % quoted(self.db))
        for feature, statement in (
            ("images", "binlog_row_image = " + self.random.choice(("MINIMAL", "NOBLOB", "FULL"))),
            ("partial_json", "binlog_row_value_options = PARTIAL_JSON"),
            ("annotations", "binlog_annotate_row_events = %d" % self.chance(0.5) if self.mariadb
             else "binlog_rows_query_log_events = 1"),
            ("compression", None if self.mariadb else "binlog_transaction_compression = ON"),
            ("two_phase_alter", "binlog_alter_two_phase = ON"),
            ("hidden_key", "sql_generate_invisible_primary_key = %d" % self.chance(0.7)),
        ):
            if self.has(feature) and statement and self.chance(0.8):
                self.add("SET SESSION " + statement)

    # ---- what is there

    def table(self, free=False):
        """A table; `free`: one that nothing hangs on, and that no XA transaction holds."""
        held = set().union(*(branch.tables for branch in self.branches), *(
            talk.touched for talk in self.talks if talk.xid))
        usable = [table for table in self.tables
                  if not free or not (table.pinned or table in held)]
        return self.random.choice(usable) if usable else None

    def use(self, table):
        """A statement of the session at hand locks it."""
        self.talk.touched.add(table)
        if table.pinned:
            self.talk.touched.update(other for other in self.tables if other.pinned)

    def ready(self):
        """The sessions that can do something."""
        return [talk for talk in self.talks if talk.branch is None]

    # ---- the script

    def quiet(self, xa=False):
        """All sessions end their transactions; `xa`: those that are prepared too."""
        for talk in self.talks:
            if talk.open or talk.xid:
                self.turn_to(talk)
                transactions.end(self)
        while xa and self.branches:
            transactions.finish_branch(self)

    def barrier(self):
        self.quiet()
        self.directive("barrier")

    def begin(self):
        first = self.talks[0]
        first.fresh = False
        self.turn_to(first)
        if self.has("restarts") and (self.careful or self.mariadb):
            # What a restarted fastlane has not seen itself may be too young to be sure of.
            self.directive("expect doubt", "has been made or altered since the row was logged")
        if self.has("partial_json"):
            self.directive("expect doubt", "a JSON document was changed in part")
        for name in (self.db, self.other):
            self.add("CREATE DATABASE %s" % quoted(name))
        self.set_up()
        if self.has("compression") and self.mariadb:
            self.add("SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10")
        tables.make_all(self)

    def choose(self):
        """One step of a session."""
        ready = self.ready()
        if not ready or (self.branches and self.chance(0.15)):
            transactions.finish_branch(self)
            return
        self.turn_to(self.random.choice(ready))
        roll = self.random.random()
        if roll < 0.25 and self.has("transactions") or self.talk.xid and roll < 0.3:
            transactions.step(self)
        elif roll < 0.30 and self.has("ddl"):
            ddl.step(self)
        elif roll < 0.34 and not self.talk.open and not self.talk.xid:
            transactions.aside(self)
        else:
            dml.step(self)

    def restart(self):
        if self.has("xa") and not self.has("xa_restarts"):
            # Which transactions are prepared is not remembered across a restart.
            self.quiet(xa=True)
            self.barrier()
            self.directive("restart")
        else:
            self.directive(self.random.choice(("restart", "kill")))

    def run(self, size):
        self.begin()
        self.barrier()
        until = self.random.randint(15, 50)
        for _ in range(size):
            self.choose()
            until -= 1
            if until <= 0:
                self.barrier()
                until = self.random.randint(15, 60)
            if self.has("restarts") and self.chance(0.008):
                self.restart()
        self.quiet(xa=True)
        return "\n".join(map(str, self.steps)) + "\n"


def script(seed, server, features, size=250, careful=False, images=False):
    """`images`: they are not full from the start."""
    generator = Generator(seed, server, features, careful)
    if images and not generator.has("images"):
        generator.features.append("images")
    return generator.run(size)
