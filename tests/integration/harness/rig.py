# SPDX-License-Identifier: Apache-2.0
"""A source, the three sinks and fastlane between them, for one database."""

import os
import re

from . import caches
from .daemon import Fastlane
from .stream import Stream
from .tables import Column, Table, compare
from .wait import wait_for

SINKS = ("hot", "pool", "log")


class Rig:
    """`tables`: made and mapped. The source's position at the time of making is where fastlane
    will start, so that no change is missed however slow it is."""

    def __init__(self, folder, db, source, redis, memcached, tables, **options):
        self.folder, self.db, self.source = folder, db, source
        self.redis_server, self.memcached_server = redis, memcached
        self.redis, self.memcached = redis.client(), memcached.client()
        self.tables = {table.name: table for table in tables}
        self.marker = Table(db, "marker", [Column("id", "int", "int", nullable=False)])
        self.marks = self.marked_at = 0
        source.run("CREATE DATABASE `%s`" % db)
        options.setdefault("start", source.gtids() or "earliest")
        source.run(*(line for table in (*tables, self.marker) for line in table.statements()))
        sinks = options.pop("sinks", {})
        self.daemon = Fastlane(
            folder, source,
            sinks={
                "hot": {"plugin": "redis", "address": "127.0.0.1:%d" % redis.port},
                "pool": {"plugin": "memcached", "servers": "127.0.0.1:%d" % memcached.port},
                "log": {"plugin": "stdout"},
                **sinks,
            },
            maps={
                **{table.name: table.rule() for table in (*tables, self.marker)},
                **options.pop("maps", {}),
            },
            **options,
        )

    def reconnect(self):
        """To be called when Redis or memcached was started again."""
        self.redis, self.memcached = self.redis_server.client(), self.memcached_server.client()

    def mark(self):
        self.marks += 1
        out = self.daemon.out
        self.marked_at = os.path.getsize(out) if os.path.exists(out) else 0
        self.source.run("INSERT INTO `%s`.marker VALUES (%d)" % (self.db, self.marks))

    def has_mark(self, sink):
        if sink == "hot":
            return self.redis.exists("marker:%d" % self.marks)
        if sink == "pool":
            return self.memcached.get("marker:%d" % self.marks) is not None
        with open(self.daemon.out, "rb") as file:
            file.seek(self.marked_at)
            return re.search(
                rb'"db": ?"%s", ?"table": ?"marker".*"id": ?%d\b' % (self.db.encode(), self.marks),
                file.read(),
            )

    def settle(self, seconds=60, sinks=SINKS):
        """Commits are seen in order: once a last one is there, all are."""
        self.mark()
        for sink in sinks:
            self.daemon.wait_for(
                lambda: self.has_mark(sink), "mark %d in %s" % (self.marks, sink), seconds
            )

    def settle_anew(self, seconds=60, sinks=SINKS):
        """As settle(), when it isn't known from where on a sink follows: marks until one comes."""
        for sink in sinks:
            self.daemon.wait_for(
                lambda: self.mark() or self.has_mark_soon(sink), "any mark in " + sink, seconds
            )

    def has_mark_soon(self, sink):
        try:
            return wait_for(lambda: self.has_mark(sink), "mark", 0.5)
        except AssertionError:
            return False

    def stream(self, **options):
        return Stream(self.daemon.out, **options)

    def compare(self, sinks=SINKS, stream=None, all_there=True):
        """Asserts that the sinks hold what the database holds, or at least nothing else; returns
        the number of rows and of values compared."""
        rows = values = 0
        wrong = []
        for table in self.tables.values():
            for sink in sinks:
                if sink == "hot":
                    found = caches.in_redis(self.redis, table)
                elif sink == "pool":
                    found = caches.in_memcached(self.memcached, table, self.source)
                else:
                    stream = stream or self.stream()
                    found = stream.rows(table)
                counted = compare(table, self.source, found, all_there)
                rows += counted[0]
                values += counted[1]
                wrong += ["%s: %s" % (sink, text) for text in counted[2]]
        assert not wrong, "%d of %d values differ:\n%s" % (len(wrong), values, "\n".join(wrong[:40]))
        return rows, values
