# SPDX-License-Identifier: Apache-2.0
"""Every column type arrives as the database has it."""

import random

import pytest

from harness import caches
from harness.types import all_tables

RANDOM_ROWS = 40


def fill(cursor, table, chance):
    """Rows with every edge value of every column, NULLs, and random ones."""
    columns = table.columns[1:]
    count = max(len(column.edges) for column in columns)
    for number in range(count + RANDOM_ROWS):
        literals = [
            column.edges[number % len(column.edges)] if number < count else column.literal(chance)
            for column in columns
        ]
        insert(cursor, table, number, literals)
    insert(cursor, table, count + RANDOM_ROWS, ["NULL"] * len(columns))
    return count + RANDOM_ROWS + 1


def insert(cursor, table, number, literals):
    cursor.execute("INSERT INTO `%s`.`%s` VALUES (%d, %s)" % (
        table.db, table.name, number, ", ".join(literals)))


def change(cursor, table, count, chance):
    """A few columns of half of the rows, and a fourth of the rows go."""
    for number in chance.sample(range(count), count // 2):
        some = chance.sample(table.columns[1:], min(3, len(table.columns) - 1))
        cursor.execute("UPDATE `%s`.`%s` SET %s WHERE id = %d" % (
            table.db, table.name,
            ", ".join("`%s` = %s" % (column.name, column.literal(chance)) for column in some),
            number))
    for number in chance.sample(range(count), count // 4):
        cursor.execute("DELETE FROM `%s`.`%s` WHERE id = %d" % (table.db, table.name, number))


@pytest.mark.source
@pytest.mark.parametrize("metadata", ["full", "least"])
def test_all_types_arrive_value_by_value(source, metadata, rig, db, figures):
    chance = random.Random(metadata)
    if metadata == "least":
        source.set_global(binlog_row_metadata="'%s'" % source.least_metadata)
    tables = all_tables(db, source.flavour)
    r = rig(source, tables)
    r.daemon.start()
    with source.connect() as connection, connection.cursor() as cursor:
        # Not strict, so that zero and invalid dates can be stored.
        cursor.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
        counts = [fill(cursor, table, chance) for table in tables]
        r.settle()
        rows, values = r.compare()
        for table, count in zip(tables, counts):
            change(cursor, table, count, chance)
    r.settle()
    more_rows, more_values = r.compare()
    same_text_everywhere(r)
    r.daemon.stop()
    figures("%d rows, %d values compared, 0 differences" % (rows + more_rows, values + more_values))


def same_text_everywhere(r):
    with open(r.daemon.out, "rb") as file:
        written = file.read()
    for table in r.tables.values():
        values = caches.in_redis(r.redis, table)
        assert values and values == caches.in_memcached(r.memcached, table, r.source)
        for key, value in values.items():
            assert value in written, "%s: stdout has another text than Redis" % key
