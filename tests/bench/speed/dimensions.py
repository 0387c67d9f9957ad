# SPDX-License-Identifier: Apache-2.0
"""What grows, from one to very many: how its rows are made and into what they are brought."""

from .workloads import DATABASE, SMALL, SMALL_ROW

# So many rows a statement, which is a transaction; `done` is how many there are.
LOOP = """CREATE OR REPLACE PROCEDURE make(total int)
BEGIN
  DECLARE done int DEFAULT 0;
  WHILE done < total DO
    %s;
    SET done = done + %d;
  END WHILE;
END"""

# {id} is the row's number. As a derived table it would be put on disk first.
INSERT = "INSERT INTO {table} SELECT {row} FROM seq_1_to_{part}"
ID = "(seq + done)"


class Dimension:
    """`sizes`: from the least to the most; `unit`: what the cost is told by. `into`: redis, stdout.
    What a size is made of: rows() of them, each of weight() units."""

    name = title = unit = None
    sizes, into, options = (), ("stdout", "redis"), ()
    # How often a unit may cost what it does at the cheapest of the smaller sizes. What does not fit the processor's
    # caches costs more, and what is read twice almost as much again.
    bound = 1.6
    reads_once = False  # whatever the size, the source is to send as much as for the first

    def rows(self, size):
        raise NotImplementedError

    def weight(self, size):
        """Units in a row."""
        return 1

    def keys(self, size, rows):
        """That Redis has at the end."""
        return rows

    def tables(self, size):
        """Statements that make them."""
        return [SMALL % "t"]

    def body(self, size, seed):
        """SQL, and the rows that it writes; it is run until there are all."""
        raise NotImplementedError

    def maps(self, size):
        return {"rows": {"table": DATABASE + ".t", "key": "t:{id}", "value": "json"}}

    def sinks(self, size, into):
        """Name and options of each, for `into`'s plugin."""
        return {into: {}}

    def make(self, source, size, rows, seed):
        """Writes the rows into a binlog file of its own. Returns their number, which is up to a
        transaction larger, the file, and its size."""
        statement, part = self.body(size, seed)
        rows = max(1, -(-rows // part)) * part
        source.run("CREATE DATABASE " + DATABASE)
        source.run(*self.tables(size), LOOP % (statement, part), "FLUSH BINARY LOGS", database=DATABASE)
        file = source.file_position().split(":")[0]
        source.run("SET sql_mode = ''", "CALL make(%d)" % rows, "FLUSH BINARY LOGS", database=DATABASE)
        return rows, file, int(dict(row[:2] for row in source.run("SHOW BINARY LOGS"))[file])


def small_rows(part, seed):
    return INSERT.format(table="t", part=part, row=SMALL_ROW.format(id=ID, seed=seed)), part


class Columns(Dimension):
    """Numbers, and a short text in every fourth."""

    name, title, unit = "columns", "columns of a row, 100 rows a transaction", "column"
    sizes = (1, 5, 20, 100, 500)
    # What rows might become at worst would be too long for a page.
    options = ("--innodb-strict-mode=OFF",)

    def rows(self, size):
        return max(10_000, min(400_000, 4_000_000 // size))

    def weight(self, size):
        return size

    def tables(self, size):
        more = "".join(", c%d %s" % (i, "varchar(20)" if i % 4 == 3 else "int") for i in range(1, size))
        return ["CREATE TABLE t (id int PRIMARY KEY%s)" % more]

    def body(self, size, seed):
        row = ID + "".join(
            ", LEFT(MD5(%s + %d), %d)" % (ID, seed + i, 4 + i % 16) if i % 4 == 3 else
            ", %s * %d %% 2147483647" % (ID, 7919 + i) for i in range(1, size))
        return INSERT.format(table="t", part=100, row=row), 100


class Values(Dimension):
    """A text in each row; a transaction is of up to 1000 of them, or 16 MiB."""

    name, title, unit = "values", "bytes of a value", "byte"
    sizes = (1, 1 << 10, 1 << 16, 1 << 20, 1 << 24)
    options = ("--innodb-log-file-size=1G",)
    total, most = 1 << 28, 1 << 24
    kind, value = "longtext", "REPEAT(MD5({id} + {seed}), {size} / 32)"

    def rows(self, size):
        return min(500_000, self.total // size)

    def weight(self, size):
        return size

    def tables(self, size):
        return ["CREATE TABLE t (id int PRIMARY KEY, v %s)" % self.kind]

    def body(self, size, seed):
        value = self.value if size >= 32 else "LEFT(MD5({id} + {seed}), {size})"
        part = max(1, min(1000, self.most // size))
        return INSERT.format(table="t", part=part,
                             row=ID + ", " + value.format(id=ID, seed=seed, size=size)), part


class Blobs(Values):
    """The same in bytes, which are base64 in JSON."""

    name, title = "blobs", "bytes of a binary value"
    kind = "longblob"


class Rows(Dimension):
    """Beyond `transaction_bytes` a transaction is read twice."""

    name, title, unit = "rows", "rows of a transaction, 6 columns", "row"
    sizes = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)

    def rows(self, size):
        return 200_000 if size == 1 else 1_000_000

    def body(self, size, seed):
        return small_rows(size, seed)


class Tables(Dimension):
    """An update in one after the other, each a transaction."""

    name, title, unit = "tables", "tables, updated in turn, 6 columns", "row"
    sizes = (1, 10, 100, 1000, 10_000)
    options = ("--table-open-cache=20000", "--table-open-cache-instances=1", "--table-definition-cache=20000",
               "--innodb-file-per-table=0", "--innodb-buffer-pool-size=512M")
    bound = 1.3  # a row is to cost what it does with one
    all_rows = 10_000  # of all tables, so that as many keys are written, and few of them twice in a batch

    def rows(self, size):
        return 1_000_000

    def keys(self, size, rows):
        return min(self.all_rows, rows)

    def tables(self, size):
        row, part = SMALL_ROW.format(id="seq", seed=1), self.all_rows // size
        return [line for i in range(size)
                for line in (SMALL % ("t%d" % i), INSERT.format(table="t%d" % i, part=part, row=row))]

    def body(self, size, seed):
        return ("EXECUTE IMMEDIATE CONCAT('UPDATE t', (done + %d) %% %d, "
                "' SET n = n + 1 WHERE id = ', 1 + done DIV %d %% %d)" % (seed, size, size, self.all_rows // size)), 1

    def maps(self, size):
        return {"rows": {"table": DATABASE + ".t*", "key": "{table}:{id}", "value": "json"}}


class MapEach(Tables):
    """A map for each table, by its name."""

    name, title = "map-each", "tables and maps, one of each for the other, updated in turn"
    sizes, into = (1, 10, 100, 1000), ("redis",)

    def maps(self, size):
        return {"m%d" % i: {"table": "%s.t%d" % (DATABASE, i), "key": "t%d:{id}" % i, "value": "json"}
                for i in range(size)}


class Maps(Dimension):
    """All but the last are for tables that are not there."""

    name, title, unit = "maps", "maps by name, one of which is for the table, 10 rows a transaction", "row"
    sizes, into, bound = (1, 10, 100, 1000), ("redis",), 1.3
    other = "%s.other%d"

    def rows(self, size):
        return 400_000

    def body(self, size, seed):
        return small_rows(10, seed)

    def maps(self, size):
        others = {"other%d" % i: {"table": self.other % (DATABASE, i), "key": "o:{id}", "value": "none"}
                  for i in range(size - 1)}
        return {**others, **super().maps(size)}


class Patterns(Maps):
    """Each has to be looked at to know that it does not match."""

    name, title = "patterns", "maps by pattern, one of which is for the table, 10 rows a transaction"
    other = "%s.*o?her%d"

    def maps(self, size):
        maps = super().maps(size)
        maps["rows"]["table"] = DATABASE + ".*t*"
        return maps


class Sinks(Dimension):
    """All of them ride in one lane, and read once: each into a database of its own of one Redis."""

    name, title, unit = "sinks", "sinks, 100 rows a transaction, 6 columns", "row and sink"
    sizes, into, reads_once = (1, 2, 4, 8), ("redis",), True

    def rows(self, size):
        return 400_000

    def weight(self, size):
        return size

    def body(self, size, seed):
        return small_rows(100, seed)

    def sinks(self, size, into):
        return {"%s%d" % (into, i): {"database": i} for i in range(size)}


DIMENSIONS = [Columns(), Values(), Blobs(), Rows(), Tables(), MapEach(), Maps(), Patterns(), Sinks()]
