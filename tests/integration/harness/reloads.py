# SPDX-License-Identifier: Apache-2.0
"""Configurations that change under a running fastlane, and the rows that tell which was in force."""

import re
import signal
import threading

from .tables import Column, Table


def numbers(db, name="num"):
    return Table(db, name, [Column("id", "int", "int", nullable=False),
                            Column("pad", "varchar(100)", "text")])


class Writer(threading.Thread):
    """Commits rows 1, 2, 3 ..., each a transaction of its own, of two rows: in `num` and in `twin`.
    """

    def __init__(self, source, db):
        super().__init__()
        self.source, self.db = source, db
        self.enough = threading.Event()
        self.count = 0
        self.start()

    def run(self):
        with self.source.connect(self.db) as connection, connection.cursor() as cursor:
            while not self.enough.is_set():
                number = self.count + 1
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO num VALUES (%s, REPEAT('x', 100))", number)
                cursor.execute("INSERT INTO twin VALUES (%s, REPEAT('y', 100))", number)
                cursor.execute("COMMIT")
                self.count = number

    def end(self):
        self.enough.set()
        self.join()


def change(r, **sections):
    """Rewrites the configuration: sections to be replaced by the dicts, or left out for None. As a
    name, sink__hot stands for sink:hot."""
    for name, keys in sections.items():
        name = name.replace("__", ":")
        if keys is None:
            del r.daemon.sections[name]
        else:
            r.daemon.sections[name] = keys
    r.daemon.write()


def reload(r, **sections):
    """... and waits until it is in force."""
    change(r, **sections)
    before = len(re.findall("reloaded ", r.daemon.log))
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(lambda: len(re.findall("reloaded ", r.daemon.log)) > before, "reloaded", 20)


def refused(r, pattern):
    """Sends SIGHUP, and waits until the log has said why the file won't do."""
    before = len(r.daemon.log)
    r.daemon.signal(signal.SIGHUP)
    r.daemon.wait_for(
        lambda: re.search(r"the configuration stays as it was", r.daemon.log[before:]), "a refusal")
    said = r.daemon.log[before:]
    assert re.search(pattern, said), said
    assert "reloaded" not in said
    return said


def rules(table, twin, key):
    return {"map__num": table.rule(key=key + ":n:{id}"), "map__twin": twin.rule(key=key + ":t:{id}")}


def insert(source, db, *ids, table="num"):
    source.run("INSERT INTO %s VALUES %s" % (table, ", ".join("(%d, 'x')" % n for n in ids)),
               database=db)


def ids_in_stream(r, **options):
    stream = r.stream(**options)
    return [int(c["row"]["id"].text) for t in stream.transactions for c in t.changes
            if c["table"] == "num"]
