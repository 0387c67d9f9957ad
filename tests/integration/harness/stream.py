# SPDX-License-Identifier: Apache-2.0
"""The stdout sink's lines, replayed, with what holds for any stream checked on the way."""

from .tables import parse


class Transaction:
    def __init__(self, changes):
        self.changes = changes

    @property
    def gtid(self):
        return self.changes[0].get("gtid")


class Stream:
    """`repeats`: after a kill a line may be cut off, and transactions may come again."""

    def __init__(self, path, repeats=False):
        self.tables = {}
        self.transactions = []
        self.doubts = []
        seen = set()
        changes = []
        with open(path, "rb") as file:
            for line in file:
                assert line.endswith(b"\n"), "the last line is cut off: %r" % line[-200:]
                try:
                    change = parse(line)
                except ValueError:
                    assert repeats, "no JSON: %r" % line
                    changes = []  # fastlane was killed as it wrote this
                    continue
                if changes and self.head(change) != self.head(changes[0]):
                    assert repeats, "transactions are mixed: %r" % change
                    changes = []  # what a killed fastlane left undone comes again
                changes.append(change)
                if change.get("commit") is not True:
                    assert "commit" not in change
                    continue
                head = self.head(change)
                again = head in seen
                assert repeats or not again, "came twice: %r" % (head,)
                seen.add(head)
                for change in changes:
                    self.apply(change, again or repeats)
                self.transactions.append(Transaction(changes))
                changes = []
        assert not changes, "a transaction was cut off: %r" % changes

    @staticmethod
    def head(change):
        return tuple(repr(change.get(name)) for name in ("gtid", "file", "pos", "ts_us", "xid"))

    def apply(self, change, again):
        """`again`: what was there before may be newer than this change."""
        table = self.tables.setdefault((change["db"], change["table"]), {})
        op = change["op"]
        if op in ("truncate", "ddl"):
            assert "sql" in change and "row" not in change, change
            if op == "truncate":
                table.clear()
            return
        if "doubt" in change:
            self.doubts.append(change["doubt"])
            return
        row = change["row"]
        key = repr(change["key"])
        assert change["key"].items() <= row.items(), "the key is not the row's: %r" % change
        if op == "insert":
            assert again or key not in table, "inserted twice: %s" % key
            table[key] = row
            return
        if op == "delete":
            before = table.pop(key, None)
            assert again or repr(before) == repr(row), "deleted %r, which was %r" % (row, before)
            return
        assert op == "update", change
        old = change["old"]
        for name, value in old.items():
            assert repr(row[name]) != repr(value), "'%s' did not change: %r" % (name, change)
        before_key = repr({name: old.get(name, value) for name, value in change["key"].items()})
        before = table.pop(before_key, None)
        assert again or repr(before) == repr({**row, **old}), "updated %r, which was %r" % (
            {**row, **old}, before,
        )
        table[key] = row

    def rows(self, table):
        """What a replay ends with: cache key -> parsed row."""
        rows = self.tables.get((table.db, table.name), {})
        return {table.cache_key(row): row for row in rows.values()}
