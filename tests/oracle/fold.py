# SPDX-License-Identifier: Apache-2.0
"""Folds the stdout sink's lines into tables, as a consumer of the stream has to.

What a consumer can know: rows that were inserted, updated and deleted, exactly. TRUNCATE, DROP, CREATE
and RENAME TABLE, by reading the statement. An ALTER TABLE changes values without any row in the
stream: from there on only the key of a row is known, until the row comes again. If the statement may
have touched the key, not even the rows' number is known (`whole` is false). The same goes for a doubt.
Somebody who looks the rows up where nothing else happens may tell: see Rows.adopt()."""

import struct

from harness.tables import Number, parse

from .statement import effects

MARK = ("fastlane_oracle", "mark")


class Row(dict):
    """column -> value. `loose`: columns may be missing, since nothing was seen of them. `kept`: those
    that an update did not show, and that so are as they were - unless the server makes their values:
    MariaDB leaves virtual columns out of images that are not full."""

    loose = False
    kept = frozenset()


def loosened(row, names=()):
    kept = Row((name, row[name]) for name in names)
    kept.loose = True
    return kept


class Rows:
    """A table's rows by primary key; without one, a multiset of whole rows."""

    def __init__(self, whole=True):
        self.whole = whole
        self.key_names = None  # not known yet
        self.keyed = {}
        self.bag = {}  # frozen row -> [row, how often]
        self.floats = frozenset()  # names of FLOAT and DOUBLE columns, where known
        self.virtual = self.names = None  # of virtual columns, and of all, where known
        self.single = False  # a sequence: an insert replaces its row
        self.primary = False  # key_names are known to be those of a primary key

    def __len__(self):
        return len(self.keyed) + sum(count for _, count in self.bag.values())

    def same(self, name, one, other):
        if name in self.floats and isinstance(one, Number) and isinstance(other, Number):
            return struct.pack("d", float(one.text)) == struct.pack("d", float(other.text))
        return repr(one) == repr(other)

    def frozen(self, row):
        """A name for the row's values, however floats are written."""
        return repr([
            (name, struct.pack("d", float(value.text)) if name in self.floats and isinstance(
                value, Number) else value) for name, value in row.items()])

    def put(self, row):
        self.bag.setdefault(self.frozen(row), [row, 0])[1] += 1

    def take(self, row):
        """Takes one such row out of the multiset: whether there was one."""
        name = self.frozen(row)
        if name not in self.bag:
            return False
        self.bag[name][1] -= 1
        if not self.bag[name][1]:
            del self.bag[name]
        return True

    def clear(self):
        self.keyed, self.bag, self.key_names, self.whole = {}, {}, None, True
        self.primary = False
        self.names = self.virtual = None

    def forget(self):
        """Nothing is known of the rows any more."""
        self.clear()
        self.whole = False

    def forget_values(self):
        """Rows are still there, with values that aren't known."""
        self.names = self.virtual = None
        if self.bag or not self.key_names:
            self.whole = self.whole and not len(self)
            self.bag = {}
        self.keyed = {key: loosened(row, self.key_names) for key, row in self.keyed.items()}

    def use_key(self, names):
        """Where there is no primary key, a server may take a unique one for it (MySQL does), and that
        may come and go without any row being touched. Whether the rows can be known by `names`."""
        rows = list(self.keyed.values()) + [
            row for row, count in self.bag.values() for _ in range(count)]
        if self.primary or any(row.loose for row in rows):
            return False
        self.keyed, self.bag, self.key_names = {}, {}, names or None
        for row in rows:
            if not names:
                self.put(row)
                continue
            if not names <= row.keys():
                return False
            self.keyed[self.key_of({name: row[name] for name in names})] = row
        return len(self) == len(rows)

    def adopt(self, key_names, truth):
        """Takes rows from a look-up, made where the stream is at the same place."""
        self.clear()
        self.floats, self.virtual, self.primary = truth.floats, truth.virtual, truth.primary
        self.names = frozenset(truth.names)
        rows = truth.folded()
        self.key_names = frozenset(key_names) or None
        for row in rows:
            if key_names:
                self.keyed[self.key_of({name: row[name] for name in key_names})] = Row(row)
            else:
                self.put(Row(row))

    def key_of(self, values):
        return self.frozen(dict(sorted(values.items())))


class Problem:
    def __init__(self, table, key, column, expected, got, where):
        self.table, self.key, self.column = table, key, column
        self.expected, self.got, self.where = expected, got, where

    def __str__(self):
        return "%s.%s %.300s %s: %.200r, not %.200r (%s)" % (
            *self.table, self.key, self.column, self.got, self.expected, self.where)


class Fold:
    """`partial`: row images need not be full, so that columns may be absent."""

    def __init__(self, partial=False):
        self.partial = partial
        self.tables = {}
        self.pending = []
        self.seen = set()
        self.killed = False  # transactions may come again
        self.torn = False  # and a line may be unfinished
        self.problems, self.doubts, self.unread = [], [], []
        self.mark, self.mark_head = 0, None
        self.transactions = self.changes = self.checked = self.repeats = 0

    def restarted(self, killed):
        """fastlane was stopped: what it did not end of a transaction comes again."""
        self.pending = []
        self.torn, self.killed = killed, self.killed or killed

    def feed(self, line):
        if not line.strip() and self.killed:
            return
        try:
            change = parse(line)
        except ValueError:
            if not self.torn:
                self.problem(("", ""), "", "line", "JSON", line, "no head")
            self.torn = False
            self.pending = []
            return
        if self.pending and head(change) != head(self.pending[0]):
            self.problem(name_of(change), "", "transaction", head(self.pending[0]), head(change),
                         "transactions are mixed")
            self.pending = []
        self.pending.append(change)
        if change.get("commit") is True:
            changes, self.pending = self.pending, []
            self.commit(changes)

    def commit(self, changes):
        place = head(changes[0])
        if place in self.seen:
            self.repeats += 1
            if not self.killed:
                self.problem(name_of(changes[0]), "", "transaction", "once", "again", place)
            return
        self.seen.add(place)
        self.transactions += 1
        for change in changes:
            self.apply(change, place)

    def problem(self, table, key, column, expected, got, where):
        self.problems.append(Problem(table, key, column, expected, got, where))

    def table(self, name):
        return self.tables.setdefault(name, Rows())

    def apply(self, change, place):
        op, table = change["op"], name_of(change)
        if table == MARK:
            if op == "insert":
                self.mark, self.mark_head = int(change["row"]["id"].text), place
            elif op not in ("ddl", "truncate"):
                self.problem(table, "", "mark", "insert", op, place)
            return
        self.changes += op != "commit"
        if "doubt" in change:
            op = "doubt"  # a row that could not be shown
        if op in ("insert", "update", "delete"):
            getattr(self, op)(self.table(table), table, change, place)
        elif op == "truncate":
            self.table(table).clear()
        elif op == "ddl":
            self.ddl(change)
        elif op == "doubt":
            self.doubts.append((table, change["doubt"], place))
            for rows in [self.table(table)] if table[1] else list(self.tables.values()):
                rows.forget()
        elif op != "commit":
            self.problem(table, "", "op", "one that is documented", op, place)

    # ---- rows

    def keys_fit(self, rows, table, change, place):
        names = frozenset(change["key"])
        if len(rows) and names != (rows.key_names or frozenset()) and not rows.use_key(names):
            self.problem(table, change["key"], "key", rows.key_names, names, place)
            rows.forget()
        rows.key_names = names or None
        if not self.partial and not change["key"].items() <= change["row"].items():
            self.problem(table, change["key"], "key", "that of the row", change["row"], place)

    def new_row(self, values):
        row = Row(values)
        row.loose = self.partial
        return row

    def gone(self, rows, table, place, key, before):
        """The row that was there before, checked against what the stream says of it."""
        if not rows.key_names:
            if not rows.take(before) and rows.whole:
                if self.partial:
                    rows.forget()
                else:
                    self.problem(table, "", "row before", "one of the table's", before, place)
            return None
        held = rows.keyed.pop(rows.key_of(key), None)
        if held is None:
            if rows.whole:
                self.problem(table, key, "row before", "one of the table's", before, place)
            return None
        for name, value in before.items():
            if name in held.kept and (rows.virtual is None or name in rows.virtual):
                continue
            if name in held:
                self.checked += 1
                if not rows.same(name, held[name], value):
                    self.problem(table, key, name + " before", held[name], value, place)
            elif not held.loose:
                self.problem(table, key, name + " before", "no such column", value, place)
        return held

    def store(self, rows, table, place, key, row):
        if not rows.key_names:
            if self.partial and rows.names != row.keys():
                rows.forget()  # the columns that are absent are not known
            else:
                row.loose = False
                rows.put(row)
            return
        name = rows.key_of(key)
        if name in rows.keyed:
            self.problem(table, key, "row", "none yet", "another one", place)
        rows.keyed[name] = row

    def insert(self, rows, table, change, place):
        if rows.single:
            rows.clear()
        self.keys_fit(rows, table, change, place)
        self.store(rows, table, place, change["key"], self.new_row(change["row"]))

    def delete(self, rows, table, change, place):
        self.keys_fit(rows, table, change, place)
        self.gone(rows, table, place, change["key"], change["row"])

    def update(self, rows, table, change, place):
        self.keys_fit(rows, table, change, place)
        key, row, old = change["key"], change["row"], change["old"]
        # An absent column's value before is not known, even if it is in the row after.
        before = {**key, **old} if self.partial and key else {**row, **old}
        if not old.keys() <= row.keys() and not self.partial:
            self.problem(table, key, "old", list(row), list(old), place)
        for name, value in old.items():
            if name in row and repr(value) == repr(row[name]):
                self.problem(table, key, name + " before", "another value", value, place)
        held = self.gone(rows, table, place, {
            name: old.get(name, row.get(name, value)) if name in old else value
            for name, value in key.items()}, before)
        new = self.new_row({**(held or {}), **row} if self.partial else row)
        if held is not None:
            new.kept = (held.kept | held.keys()) - row.keys()
        self.store(rows, table, place, {
            name: row.get(name, value) for name, value in key.items()}, new)

    # ---- DDL

    def keys(self, db, table):
        rows = self.tables.get((db, table))
        return (rows and rows.key_names) or ()

    def ddl(self, change):
        for effect in effects(change["sql"], change["db"], self.keys):
            table = (effect.db, effect.table)
            if effect.kind == "anything":
                self.unread.append(change["sql"])
                for rows in self.tables.values():
                    rows.forget()
            elif effect.kind == "drop_db":
                self.tables = {name: rows for name, rows in self.tables.items()
                               if name[0] != effect.db}
            elif effect.kind == "drop":
                self.tables.pop(table, None)
            elif effect.kind in ("make", "sequence"):
                if not (effect.keeps and table in self.tables):
                    self.tables[table] = Rows(whole=effect.kind == "make")
                    self.tables[table].single = effect.kind == "sequence"
            elif effect.kind == "rename":
                # One that is logged twice (START ALTER) has been carried out already.
                if table in self.tables:
                    self.tables[effect.to] = self.tables.pop(table)
            elif effect.kind == "rekey":
                self.table(table).forget()
            elif effect.kind == "alter":
                self.table(table).forget_values()


def name_of(change):
    return change["db"], change["table"]


def head(change):
    """Where the change's transaction is: GTID if there is one, file and position behind it."""
    return tuple(
        getattr(change.get(name), "text", change.get(name)) for name in ("gtid", "file", "pos"))
