# SPDX-License-Identifier: Apache-2.0
"""Compares folded tables with what the server says."""

from .fold import Problem, Rows


class Count:
    """`adopted`: values (and rows) that the stream could not tell, and that were taken from SELECT."""

    def __init__(self):
        self.tables = self.rows = self.values = self.adopted = self.adopted_rows = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def compare(folded, truth, where):
    """`folded`: name -> Rows, `truth`: name -> Truth, both at one position. Returns a Count and a list
    of problems. What the stream could not tell is taken over from `truth`."""
    count, problems = Count(), []
    for name, rows in folded.items():
        if name not in truth and len(rows):
            problems.append(Problem(name, "", "table", "not there", "%d rows" % len(rows), where))
    for name, table in truth.items():
        rows = folded.setdefault(name, Rows())
        rows.floats = table.floats
        count.tables += 1
        key = table.key_for(rows)
        if key is None:
            problems.append(Problem(name, "", "key", table.keys[0], rows.key_names, where))
            key = table.keys[0]
        else:
            problems += (by_key if key else as_bag)(rows, table, key, count, where)
        # From here on as the server has it, so that a difference is reported once.
        rows.adopt(key, table)
    return count, problems


def by_key(rows, table, key_names, count, where):
    problems = []
    left = dict(rows.keyed)
    for expected, as_folded in zip(table.rows, table.folded()):
        key = {name: as_folded[name] for name in key_names}
        row = left.pop(rows.key_of(key), None)
        if row is None:
            if rows.whole:
                problems.append(Problem(table.name, key, "row", "there", "missing", where))
            else:
                count.adopted_rows += 1
            continue
        count.rows += 1
        for field in table.fields:
            if field.name in row.kept and field.name in table.made:
                count.adopted += 1
                continue
            if field.name not in row:
                count.adopted += 1
                if not row.loose:
                    problems.append(Problem(
                        table.name, key, field.name, expected[field.name], "no such column", where))
                continue
            count.values += 1
            if not field.same(expected[field.name], row[field.name]):
                problems.append(Problem(
                    table.name, key, field.name, expected[field.name], row[field.name], where))
        unknown = [name for name in row if name not in expected]
        if unknown or (not row.loose and list(row) != table.names):
            problems.append(Problem(table.name, key, "columns", table.names, list(row), where))
    problems += [Problem(table.name, key, "row", "gone", "there", where) for key in left]
    return problems


def as_bag(rows, table, key_names, count, where):
    """Without a key only whole rows can be told apart."""
    problems, bag = [], Rows()
    rows.bag, old = {}, rows.bag
    for row, times in old.values():  # with what is now known of the columns
        for _ in range(times):
            rows.put(row)
    bag.floats = table.floats
    for row in table.folded():
        bag.put(row)
    for name in rows.bag.keys() | bag.bag.keys():
        row, times = rows.bag.get(name, (None, 0))
        real, expected = bag.bag.get(name, (None, 0))
        count.rows += min(times, expected)
        count.values += min(times, expected) * len(table.fields)
        if times > expected or (times < expected and rows.whole):
            problems.append(Problem(
                table.name, real or row, "rows", "%d times" % expected, "%d times" % times, where))
        elif times < expected:
            count.adopted_rows += expected - times
    if rows.single and problems:
        # MariaDB does not log what a sequence gave to statements that were rolled back.
        rows.forget()
        count.adopted_rows += len(problems)
        return []
    return problems
