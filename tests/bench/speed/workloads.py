# SPDX-License-Identifier: Apache-2.0
"""The workloads: each is written by one session into a binlog file of its own, and is the same to the
byte for the same seed and size, but for times of commits."""

DATABASE = "bench"

# Six columns, as most tables have.
SMALL = """CREATE TABLE %s (id bigint NOT NULL PRIMARY KEY, n int, name varchar(64), created datetime,
  price decimal(10,2), flag tinyint) CHARSET utf8mb4"""

SMALL_ROW = """{id}, {id} * 7919 % 2147483647, CONCAT('name-', {id}, '-', LEFT(MD5({id} + {seed}), 8 + {id} % 24)),
  '2024-01-01' + INTERVAL {id} % 31536000 SECOND, {id} % 9999999 / 100, {id} % 100"""

# Transactions of 1, 2, 4 and 3 changes, in turn: three inserts in five, then updates.
TRANSACTIONS = """CREATE PROCEDURE {name}(total int)
BEGIN
  DECLARE done, part int DEFAULT 0;
  DECLARE next bigint DEFAULT 1;
  WHILE done < total DO
    SET part = LEAST(1 + done % 5, total - done);
    START TRANSACTION;
    WHILE part > 0 DO
      IF next = 1 OR done % 5 < 3 THEN
        INSERT INTO {table} VALUES ({row});
        SET next = next + 1;
      ELSE
        UPDATE {table} SET n = n + 1, price = price + 0.01, flag = done % 100
          WHERE id = 1 + (done * 2654435761 + {seed}) % (next - 1);
      END IF;
      SET done = done + 1, part = part - 1;
    END WHILE;
    COMMIT;
  END WHILE;
END"""

# So many rows a statement, which is a transaction.
STATEMENTS = """CREATE PROCEDURE {name}(total int)
BEGIN
  DECLARE done int DEFAULT 0;
  WHILE done < total DO
    INSERT INTO {table} SELECT {row} FROM (SELECT CAST(seq AS signed) AS seq, CAST(seq + done AS signed) AS id
      FROM seq_1_to_{part}) AS s;
    SET done = done + {part};
  END WHILE;
END"""

# Every type; name, type, value. {{id}} is the row's number, s.seq its number in the statement.
ALL_TYPES = [line.split(" | ") for line in """
bigint unsigned NOT NULL PRIMARY KEY | {id}
int | {id} * 3 - 70000
int unsigned | {id} * 40000 % 4294967295
int | -{id}
int | IF({id} % 3 = 0, NULL, s.seq)
int | s.seq
int unsigned | 4294967295 - s.seq
int | 0
int | {id} % 1000
bigint | -{id} * 1000000007
bigint unsigned | 18446744073709551615 - {id}
bigint | {id} * 4294967296
bigint | IF({id} % 2 = 0, NULL, s.seq)
tinyint | {id} % 128
tinyint unsigned | {id} % 256
tinyint | -({id} % 128)
smallint | -({id} % 32768)
smallint unsigned | {id} % 65536
mediumint | -({id} % 8388608)
mediumint unsigned | {id} % 16777216
decimal(10,2) | {id} % 9999999 / 100
decimal(18,4) | -{id} * 1.2345
decimal(30,10) | {id} * 12345678.0123456789
decimal(5,0) | -({id} % 99999)
float | {id} / 7
double | {id} / 3e5
double | -{id} * 1.5e10
varchar(32) | CONCAT('v1-', {id})
varchar(64) | MD5({id} + {seed})
varchar(255) | REPEAT(CONCAT('word', s.seq % 10, ' '), 1 + s.seq % 30)
varchar(400) | REPEAT('Zażółć gęślą ', 1 + s.seq % 20)
varchar(64) | CONCAT('q"uo\\\\te\\n', s.seq)
varchar(64) | SHA1({id} + {seed})
varchar(64) | NULL
varchar(1000) | REPEAT('x', s.seq % 200)
char(10) | LEFT(MD5({id}), 10)
char(36) | '123e4567-e89b-12d3-a456-426614174000'
char(2) | ELT(1 + s.seq % 4, 'pl', 'de', 'en', 'fr')
datetime | '2024-01-01 00:00:00' + INTERVAL {id} SECOND
datetime(6) | '2024-01-01 00:00:00.123456' + INTERVAL {id} SECOND
datetime(3) | '2024-01-01 00:00:00.250' + INTERVAL {id} SECOND
timestamp NULL | '2024-03-01 10:00:00' + INTERVAL {id} SECOND
timestamp(6) NULL | '2024-03-01 10:00:00.654321' + INTERVAL {id} SECOND
date | '2024-01-01' + INTERVAL {id} % 20000 DAY
date | '1970-01-02'
time | SEC_TO_TIME({id} % 86400)
time(3) | SEC_TO_TIME({id} % 86400 + 0.125)
year | 2000 + s.seq % 50
enum('red','green','blue') | 1 + s.seq % 3
enum('new','paid','sent','done') | 1 + s.seq % 4
set('a','b','c','d') | s.seq % 16
bit(17) | {id} % 131072
binary(16) | UNHEX(MD5({id}))
varbinary(64) | UNHEX(SHA1({id}))
blob | UNHEX(REPEAT(MD5({id}), 4))
text | REPEAT(CONCAT('Lorem ipsum ', s.seq, ' '), 10)
mediumtext | REPEAT(CONCAT('dolor sit amet ', s.seq, '\\t'), 15)
json | JSON_OBJECT('id', {id}, 'tags', JSON_ARRAY('a', 'b', s.seq), 'nested', JSON_OBJECT('x', s.seq / 3, 'ok', true, 'none', NULL))
json | JSON_ARRAY(1, 2, 3, CONCAT('str', s.seq))
varchar(20) | NULL
""".strip().splitlines()]

# Those that every peer can read: none of CHAR, ENUM, SET, BIT, YEAR, TIMESTAMP and BINARY.
EASY_TYPES = [("bigint NOT NULL PRIMARY KEY", "{id}")]
for _count, _type, _value in (
        (12, "int", "{id} * %d - 70000"), (6, "bigint", "-{id} * 1000000007 * %d"),
        (6, "tinyint", "s.seq %% 128 + %d - %d"), (6, "smallint", "-(s.seq * %d)"),
        (6, "decimal(14,4)", "{id} * %d * 1.2345"), (3, "double", "{id} / %d.7"),
        (12, "varchar(100)", "CONCAT('v%d-', MD5({id} + %d + {seed}))"),
        (5, "datetime", "'2024-01-01' + INTERVAL {id} * %d SECOND"),
        (2, "datetime(6)", "'2024-01-01 00:00:00.123456' + INTERVAL {id} * %d SECOND"),
        (1, "text", "REPEAT(CONCAT('Lorem ipsum ', s.seq, ' '), %d0)")):
    EASY_TYPES += [(_type, _value % ((_k,) * (_value.count("%d")))) for _k in range(1, _count + 1)]


def wide(types):
    columns = ", ".join("%s %s" % ("id" if i == 0 else "c%d" % i, kind) for i, (kind, _) in enumerate(types))
    return "CREATE TABLE %%s (%s) CHARSET utf8mb4" % columns, ", ".join(value for _, value in types)


class Workload:
    """`rows` of the table in `file`; before them, from `long_file` on, the same of another table, so that there are
    `times` as many in all for those who are fast."""

    def __init__(self, name, title, rows, times, table, row, body, part=1):
        self.name, self.title, self.rows, self.times = name, title, rows, times
        self.table = name.lower()
        self.definition, self.row, self.body, self.part = table, row, body, part
        self.file = self.long_file = self.size = self.keys = None

    @property
    def long_rows(self):
        return self.rows * self.times

    def make(self, source, seed):
        """Writes it; its file and the table's keys are known then."""
        row = self.row.format(id="next" if self.body is TRANSACTIONS else "s.id", seed=seed)
        source.run("CREATE DATABASE " + DATABASE)
        for name, table in (("make", self.table), ("make_more", self.table + "_more")):
            body = self.body.format(name=name, table=table, row=row, seed=seed, part=self.part)
            source.run(self.definition % table, body, "FLUSH BINARY LOGS", database=DATABASE)
        self.long_file = source.file_position().split(":")[0]
        source.run("SET sql_mode = ''", "CALL make_more(%d)" % (self.long_rows - self.rows), "FLUSH BINARY LOGS",
                   database=DATABASE)
        self.file = source.file_position().split(":")[0]
        source.run("SET sql_mode = ''", "CALL make(%d)" % self.rows, "FLUSH BINARY LOGS", database=DATABASE)
        self.size = dict(row[:2] for row in source.run("SHOW BINARY LOGS"))[self.file]
        self.size = int(self.size)
        self.keys = int(source.run("SELECT COUNT(*) FROM %s" % self.table, database=DATABASE)[0][0])

    def key(self, number):
        return "%s:%s:%d" % (DATABASE, self.table, number)

    def map(self):
        return {"table": "%s.%s" % (DATABASE, self.table), "key": "%s:%s:{id}" % (DATABASE, self.table),
                "value": "json"}


def workloads(scale):
    """So many times the rows."""
    def rows(number):
        return max(1000, int(number * scale))
    return [
        Workload("W1", "small transactions, 6 columns", rows(1_000_000), 3, SMALL, SMALL_ROW, TRANSACTIONS),
        Workload("W2", "1000 rows a transaction, 6 columns", rows(2_000_000), 4, SMALL, SMALL_ROW, STATEMENTS, 1000),
        Workload("W3", "60 columns of all types", rows(100_000), 6, *wide(ALL_TYPES), STATEMENTS, 100),
        Workload("W4", "60 easy columns", rows(100_000), 6, *wide(EASY_TYPES), STATEMENTS, 100),
    ]
