# SPDX-License-Identifier: Apache-2.0
"""--explain and --check: what they say is what the daemon does."""

import json
import random
import re
import socket
import time

import pytest

from harness import caches
from harness.daemon import command
from harness.explained import escaped, explain, fold
from harness.literals import offers
from harness.rig import SINKS
from harness.servers import MariaDB, free_port
from harness.tables import Column, Table
from harness.types import GROUPS, table_of
from test_types import SQL_MODE, change, fill

OK, USAGE, CONFIGURATION, SOURCE = range(4)


def lines_of(r, db):
    """What stdout has printed of a database, but for the marks."""
    with open(r.daemon.out, encoding="utf-8") as file:
        lines = [line for line in file if json.loads(line)["db"] == db]
    return [line for line in lines if json.loads(line)["table"] != "marker" and "marker" not in
            json.loads(line).get("sql", "")]


def held_against_redis(r, table, changes):
    there = {key: escaped(value) for key, value in caches.in_redis(r.redis, table).items()}
    told = fold(changes, "hot")
    wrong = ["%s: told %s, is %s" % (key, told.get(key), there.get(key))
             for key in sorted(told.keys() | there.keys()) if told.get(key) != there.get(key)]
    assert not wrong, "%d of %d keys differ:\n%s" % (len(wrong), len(there), "\n".join(wrong[:10]))
    assert fold(changes, "pool") == told
    return len(there)


NUL_NAME = rb'{"\u0000'.hex()


@pytest.mark.parametrize("group", GROUPS)
def test_pasted_lines_and_live_rows_are_told_as_they_are_done(any_source, group, rig, db, figures):
    """All lines of stdout, folded, are what is in Redis; a row that is read is what is there, too."""
    source = any_source
    chance = random.Random("explain " + group)
    table = table_of(group, db, source)
    for column in table.columns:
        # A NUL in a member's name is refused: test_explain.c.
        column.edges = [one for one in column.edges if NUL_NAME not in one]
    r = rig(source, [table], **({"geometry": "geojson"} if group == "geojson" else {}))
    r.daemon.start()
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute(SQL_MODE)
        count = fill(cursor, table, chance)
        change(cursor, table, count, chance)
    r.settle()
    # It logs no generated columns of what is updated or deleted: the keys of such rows are gone.
    partial = group == "generated" and offers(source, mariadb=(11,))
    r.compare(sinks=("hot", "pool") if partial else SINKS, all_there=not partial)

    lines = lines_of(r, db)
    changes = explain(r.daemon.config, "-", given="".join(lines))
    assert len(changes) == len(lines)
    rows = [one for one in changes if one.what in ("insert", "update", "delete")]
    assert {one.definition for one in rows} == {"from the source"}
    keys = held_against_redis(r, table, changes)

    live = []
    ids = [row[0] for row in source.run("SELECT id FROM `%s`.`%s`" % (db, table.name))]
    for first in range(0, len(ids), 5):
        live += explain(r.daemon.config, "`%s`.`%s` WHERE id IN (%s)" % (
            db, table.name, ", ".join(ids[first:first + 5])))
    inserts = [one for one in live if one.what == "insert"]
    if partial:
        assert 0 < keys < len(ids) == len(inserts)
        assert caches.in_redis(r.redis, table).items() <= {
            key: value.encode() for key, value in fold(inserts, "hot").items()}.items()
    else:
        assert held_against_redis(r, table, inserts) == len(inserts) == len(ids) == keys
    assert fold(live, "hot") == fold(live, "pool") == {}
    r.daemon.stop()
    figures("%d changes and %d rows told, %d keys alike" % (len(rows), len(inserts), keys))


def users(db):
    return Table(db, "users", [
        Column("id", "int", "int", nullable=False),
        Column("email", "varchar(300)", "text"),
        Column("balance", "decimal(30,10)", "decimal"),
    ])


MAPS = {
    "users": ("{db}.users", "users:{{id}}", {"ttl": 3600, "invalidate": "mail:{{email}} all"}),
    "mails": ("{db}.us*", "by-mail:{{email}}", {"sinks": "hot"}),
    "gone": ("{db}.*", "gone:{{table}}:{{id}}", {"value": "none", "sinks": "pool"}),
    "other": ("{db}x.users", "other:{{id}}", {}),
}


def maps_of(db):
    return {name: {"table": table.format(db=db), "key": key.format(), **{
        option: str(value).format() for option, value in more.items()}}
        for name, (table, key, more) in MAPS.items()}


KEYS = ["users:1", "users:2", "mail:a@x", "mail:b@x", "mail:c@x", "all", "by-mail:a@x",
        "by-mail:b@x", "gone:users:1", "gone:users:2", "other:1", "other:2"]

# The statement, and how its change is told beforehand: as JSON by hand, or as the live row.
STATEMENTS = {
    "insert": ("INSERT INTO users VALUES (2, 'b@x', 12345678901234567890.0123456789)",
               {"after": {"id": 2, "email": "b@x", "balance": "12345678901234567890.0123456789"}}),
    "update": ("UPDATE users SET email = 'b@x' WHERE id = 1",
               {"before": {"id": 1, "email": "a@x", "balance": None}, "after": {"email": "b@x"}}),
    "update that moves the key": (
        "UPDATE users SET id = 2 WHERE id = 1",
        {"op": "update", "row": {"id": 2, "email": "a@x", "balance": None}, "old": {"id": 1}}),
    "update to NULL": (
        "UPDATE users SET email = NULL, balance = -0.5 WHERE id = 1",
        {"before": {"id": 1, "email": "a@x", "balance": None},
         "after": {"email": None, "balance": -0.5}}),
    "delete": ("DELETE FROM users WHERE id = 1",
               {"before": {"id": 1, "email": "a@x", "balance": None}}),
    "delete of the live row": ("DELETE FROM users WHERE id = 1", "{db}.users WHERE id = 1"),
    "truncate": ("TRUNCATE TABLE users", {"op": "truncate", "table": "users", "sql": "TRUNCATE users"}),
    "drop": ("DROP TABLE users", {"op": "ddl", "table": "", "sql": "DROP TABLE users"}),
}


@pytest.mark.source
@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_told_beforehand_is_done_then(source, name, rig, db):
    r = rig(source, [users(db)], maps=maps_of(db))
    r.daemon.start()
    source.run("INSERT INTO users VALUES (1, 'a@x', NULL)", database=db)
    r.settle()
    for key in KEYS:
        r.redis.set(key, "read by somebody")
        r.memcached.set(key, b"read by somebody")
    statement, told = STATEMENTS[name]
    told = told.format(db=db) if isinstance(told, str) else json.dumps(
        {"db": db, "table": "users", **told})
    changes = explain(r.daemon.config, told)
    changes = [one for one in changes if one.what != "insert"] if name.endswith("row") else changes
    assert len(changes) == 1
    for get in (r.redis.get, r.memcached.get):
        assert {get(key) for key in KEYS} == {b"read by somebody"}  # it was told, not done
    source.run(statement, database=db)
    r.settle()
    for sink, get in (("hot", r.redis.get), ("pool", r.memcached.get)):
        expected = dict.fromkeys(KEYS, "read by somebody")
        for kind, key, _, value in changes[0].operations.get(sink, ()):
            if kind == "SET":
                expected[key] = value
            elif kind == "DELETE":
                expected.pop(key, None)
            elif sink == "pool":
                expected = {}  # it can't list its keys
            else:
                prefix = key.rstrip("*")
                expected = {k: v for k, v in expected.items() if not k.startswith(prefix)}
        there = {key: get(key) for key in [*KEYS, *expected]}
        assert {key: escaped(v) for key, v in there.items() if v is not None} == expected, sink
    for kind, key, ttl, _ in changes[0].operations["hot"]:
        if kind == "SET" and r.redis.get(key) is not None:
            assert 0 <= ttl - max(r.redis.ttl(key), 0) < 60, key
    r.daemon.stop()


KINDS = {
    "hash": {"key": "h:{id}", "also": "he:{email|lower}", "value": "hash"},
    "packed": {"key": "m:{id}", "value": "msgpack", "columns": "id, email", "rename": "email:mail"},
    "text": {"key": "t:{id}", "value": "template:{email}/{id}", "ttl": 3600},
    "column": {"key": "c:{id}", "value": "column:email"},
    "existing": {"key": "x:{id}", "mode": "update-existing"},
    "filtered": {"key": "w:{id}", "only_when": "balance is not null", "delete_when": "id = 3"},
    "dead": {"key": "d:{id}", "mode": "invalidate", "invalidate": "p:{email}:{*}"},
}


def test_values_of_every_kind_are_told_as_they_are_written(source, rig, db, figures):
    r = rig(source, [users(db)], maps={
        "users": {"table": db + ".users", "key": "users:{id}"},
        **{name: {"table": db + ".users", "sinks": "hot", **keys} for name, keys in KINDS.items()}})
    before = dict.fromkeys(("x:1", "d:1", "d:2", "p:A@x:1", "p:B@x:2", "p:C@x:2"), "by somebody")
    for key, value in before.items():
        r.redis.set(key, value)
    r.daemon.start()
    source.run(
        "INSERT INTO users VALUES (1, 'A@x', NULL), (2, 'B@x', 2.5), (3, NULL, 1)",
        "UPDATE users SET balance = 7 WHERE id = 1", "UPDATE users SET balance = NULL WHERE id = 2",
        "UPDATE users SET email = 'a\\n@y' WHERE id = 2", "DELETE FROM users WHERE id = 3",
        "INSERT INTO users VALUES (4, '', 0)", database=db)
    r.settle()
    changes = explain(r.daemon.config, "-", given="".join(lines_of(r, db)))
    told = fold(changes, "hot", before)
    there = {}
    for key in r.redis.scan_iter():
        if key.startswith((b"marker", b"fastlane:")):
            continue
        if r.redis.type(key) == b"hash":
            there[escaped(key)] = {
                (escaped(name), escaped(value)) for name, value in r.redis.hgetall(key).items()}
            told[escaped(key)] = {
                tuple(part.split(": ", 1)) for part in told[escaped(key)].split(", ")}
        else:
            there[escaped(key)] = escaped(r.redis.get(key))
    assert told == there
    kinds = {kind for one in changes for kind, *_ in one.operations.get("hot", ())}
    assert kinds == {"SET", "SET XX", "HASH", "DELETE", "CLEAR"}
    figures("%d changes, %d keys alike" % (len(changes), len(there)))
    r.daemon.stop()


def test_what_is_said_of_each_map_and_of_lines_that_are_wrong(mariadb, rig, db):
    r = rig(mariadb, [users(db)], maps=maps_of(db))
    line = json.dumps({"db": db, "table": "users", "after": {"id": 1, "email": "a", "balance": 1}})
    told, = explain(r.daemon.config, line)
    assert told.definition == "from the source"
    assert told.maps == {"users": "table matches", "mails": "table matches", "gone": "table matches",
                         "other": "table does not match", "marker": "table does not match"}

    # A column that the table has not: the row is not of this table's definition.
    told, = explain(r.daemon.config, line.replace("balance", "blance"))
    assert told.definition == "from the JSON alone: %s.users has no column blance" % db
    told, = explain(r.daemon.config, line.replace('"users"', '"user_s"'))
    assert "the source has no table %s.user_s" % db in told.definition

    # An image that lacks a column is a doubt, told as the log does.
    told, = explain(r.daemon.config, json.dumps({"db": db, "table": "users", "after": {"id": 1}}))
    assert any("column email is not in the row image" in one for one in told.logs), told.logs

    done = command("-c", r.daemon.config, "--explain", "-", given=line + "\nnonsense\n\n" + line)
    assert done.returncode == USAGE and done.stdout.count("insert " + db) == 2
    assert "line 2: it is not JSON" in done.stderr


@pytest.mark.source
@pytest.mark.parametrize("change, status, said", [
    ("{db}.users WHERE no_such = 1", USAGE, "no_such"),
    ("{db}.users WHERE id = 1 LIMIT 7", USAGE, "syntax"),
    ("{db}.users WHERE id = 1); DROP TABLE users; --", USAGE, "syntax"),
    ("{db}.users WHERE id = 77", USAGE, "has no such row"),
    ("{db}.nothing WHERE id = 1", USAGE, "the source has no table"),
    ("users WHERE id = 1", USAGE, "it must be a change as JSON"),
])
def test_a_row_that_can_not_be_read_is_refused(source, rig, db, change, status, said):
    r = rig(source, [users(db)])
    source.run("INSERT INTO users VALUES (1, 'a', 1)", database=db)
    done = command("-c", r.daemon.config, "--explain", change.format(db=db))
    assert done.returncode == status and said in done.stderr, done.stderr
    assert done.stdout == "" and source.value("SELECT COUNT(*) FROM %s.users" % db) == "1"


def test_no_more_than_five_rows_are_read_and_none_is_changed(source, rig, db):
    r = rig(source, [users(db)])
    source.run("INSERT INTO users VALUES %s" % ", ".join("(%d, 'a', 1)" % n for n in range(9)),
               database=db)
    before = source.gtids()
    told = explain(r.daemon.config, db + ".users")
    assert [one.what for one in told] == ["insert", "delete"] * 5
    # A condition that would write is refused by the transaction it is asked in.
    source.run("CREATE FUNCTION touch() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM "
               "users; RETURN 1; END", database=db)
    source.run("GRANT EXECUTE ON %s.* TO repl" % db)
    done = command("-c", r.daemon.config, "--explain", "%s.users WHERE %s.touch() = 1" % (db, db))
    assert done.returncode == USAGE and "READ ONLY" in done.stderr, done.stderr
    assert source.value("SELECT COUNT(*) FROM %s.users" % db) == "9" and before != ""


def test_rows_need_a_source_that_answers(fastlane, mariadb):
    daemon = fastlane(mariadb, {"log": {"plugin": "stdout"}}, host="127.0.0.1", port=free_port())
    done = command("-c", daemon.config, "--explain", "shop.users WHERE id = 1")
    assert done.returncode == SOURCE and "127.0.0.1" in done.stderr
    told, = explain(daemon.config, '{"db": "shop", "table": "users", "after": {"id": 1}}')
    assert told.definition.startswith("from the JSON alone: cannot connect to 127.0.0.1")


def line_of(daemon, section, key):
    with open(daemon.config) as file:
        lines = file.read().split("\n")
    at = lines.index("[%s]" % section)
    return next(n for n in range(at, len(lines)) if lines[n].startswith(key + " =")) + 1


SCHEMA = (
    "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(50) NOT NULL, nick VARCHAR(50), "
    "city VARCHAR(50), UNIQUE KEY by_email (email), UNIQUE KEY by_nick (nick), "
    "UNIQUE KEY by_city (city(3)))",
    "CREATE TABLE visits (shop INT, day DATE, visits INT, PRIMARY KEY (shop, day))",
    "CREATE TABLE notes (note TEXT)",
    "CREATE TABLE tags (tag VARCHAR(20) PRIMARY KEY) CHARACTER SET utf8 COLLATE utf8_general_ci",
    "CREATE TABLE codes (code VARCHAR(20) PRIMARY KEY) CHARACTER SET utf8 COLLATE utf8_bin",
    "CREATE VIEW people AS SELECT id, email FROM users",
)

# A map, and what is said of it: of which key, whether it is an error, and what.
CHECKED = {
    "by the primary key": ({"table": "users", "key": "u:{id}"}, None),
    "by another unique key": ({"table": "users", "key": "u:{email}:{nick}"}, None),
    "by names in another case": ({"table": "users", "key": "u:{ID}"}, None),
    "by a key of two columns": ({"table": "visits", "key": "v:{day}:{shop}"}, None),
    "by a key whose collation knows no cases": ({"table": "tags", "key": "t:{tag|lower|sha1}"}, None),
    "by a key in lower case, whose collation knows cases": (
        {"table": "codes", "key": "c:{code|lower}"}, ("key", False, "does not hold all")),
    "by a short hash": ({"table": "codes", "key": "c:{code|xxh64}"}, ("key", False, "does not hold all")),
    "by a long hash": ({"table": "codes", "key": "c:{code|sha1}"}, None),
    "by a part of the key": (
        {"table": "visits", "key": "v:{shop}"},
        ("key", False, r"v:\{shop\} does not hold all .*visits \(PRIMARY \(shop, day\)\)")),
    "by a unique key that may be NULL": (
        {"table": "users", "key": "u:{nick}"},
        ("key", False, r"\(PRIMARY \(id\), by_email \(email\)\)")),
    "by a unique key of a beginning": (
        {"table": "users", "key": "u:{city}"}, ("key", False, "does not hold all")),
    "of a table without a unique key": (
        {"table": "notes", "key": "n:{note}"}, ("key", False, "it has none")),
    "that only deletes": ({"table": "visits", "key": "v:{shop}", "value": "none"}, None),
    "with a column that is not there": (
        {"table": "users", "key": "u:{idd}"},
        ("key", True, r"u:\{idd\}: \S+\.users has no column idd; it has id, email, nick, city$")),
    "with a column to invalidate by that is not there": (
        {"table": "users", "key": "u:{id}", "invalidate": "a:{id} b:{mail}"},
        ("invalidate", True, r"b:\{mail\}: \S+\.users has no column mail")),
    "of no table": ({"table": "usrs", "key": "u:{id}"}, ("table", False, "no table matches")),
    "of a view": ({"table": "people", "key": "u:{id}"}, ("table", False, "people is a view")),
    "of tables of any name": (
        {"table": "[a-z]*", "key": "u:{id}"}, ("table", False, "no table matches")),
}


@pytest.mark.source
@pytest.mark.parametrize("name", CHECKED)
def test_check_holds_maps_against_the_tables(source, name, fastlane, db):
    source.run("CREATE DATABASE " + db)
    source.run(*SCHEMA, database=db)
    keys, said = CHECKED[name]
    daemon = fastlane(source, {"hot": {"plugin": "redis"}},
                      {"m": {**keys, "table": db + "." + keys["table"]}})
    done = command("-c", daemon.config, "--check")
    if said is None:
        assert (done.returncode, done.stderr) == (OK, "")
        assert "is right: 1 sinks, 1 maps" in done.stdout
        assert ("a key for each row, by" in done.stdout) == ("value" not in keys)
        return
    key, fatal, text = said
    found = re.search(r"^(warning: )?%s:(\d+): \[map:m\] %s: (.*)$" % (
        re.escape(daemon.config), key), done.stderr, re.MULTILINE)
    assert found and re.search(text, found[3]), done.stderr
    assert int(found[2]) == line_of(daemon, "map:m", key)
    assert (found[1] is None) == fatal
    assert done.returncode == (CONFIGURATION if fatal else OK)
    assert ("1 error" in done.stderr) == fatal


def test_check_names_all_tables_that_a_wildcard_matches(source, fastlane, db):
    source.run("CREATE DATABASE " + db)
    source.run(*SCHEMA, database=db)
    daemon = fastlane(source, {"hot": {"plugin": "redis"}},
                      {"all": {"table": db + ".*", "key": "{table}:{id}"}})
    done = command("-c", daemon.config, "--check")
    assert done.returncode == CONFIGURATION
    for table in ("users", "visits", "notes", "tags", "codes"):
        assert "    %s.%s: " % (db, table) in done.stdout
    assert "people is a view" in done.stderr and "4 errors" in done.stderr
    for table in ("visits", "notes", "tags", "codes"):
        assert "%s.%s has no column id" % (db, table) in done.stderr


@pytest.mark.parametrize("tables, key, said", [
    ("*.users", "u:{id}", r"rows of {db}a\.users and {db}b\.users .* put {{db}} into it"),
    ("*.users", "{db}:{id}", None),
    ("b.*", "u:{id}", r"rows of {db}b\.people and {db}b\.users .* put {{table}} into it"),
    ("b.*", "{table}:{id}", None),
    ("*.*", "{table}:{id}", r"rows of {db}a\.users and {db}b\.users .* put {{db}} into it"),
    ("*.*", "{db}:{id}", r"rows of {db}b\.people and {db}b\.users .* put {{table}} into it"),
    ("*.*", "{db}:{table}:{id}", None),
])
def test_check_warns_of_a_key_that_rows_of_two_tables_have(mariadb, tables, key, said, fastlane, db):
    for name in ("a.users", "b.people", "b.users"):
        mariadb.run("CREATE DATABASE IF NOT EXISTS " + db + name[0],
                    "CREATE TABLE %s%s (id INT PRIMARY KEY)" % (db, name))
    for more, expected in (({}, said), ({"value": "none"}, None)):
        daemon = fastlane(mariadb, {"hot": {"plugin": "redis"}},
                          {"m": {"table": db + tables, "key": key, **more}})
        done = command("-c", daemon.config, "--check")
        assert done.returncode == OK
        if expected is None:
            assert done.stderr == ""
        else:
            assert re.fullmatch("warning: %s:%d: .*%s\n" % (
                re.escape(daemon.config), line_of(daemon, "map:m", "key"), expected.format(db=db)),
                done.stderr), done.stderr


def test_names_compare_as_they_do_at_the_source(start_server, fastlane):
    server = start_server(MariaDB, "--lower-case-table-names=1")
    server.run("CREATE DATABASE Shop", "CREATE TABLE Shop.Users (id INT PRIMARY KEY)",
               "INSERT INTO shop.users VALUES (7)")
    daemon = fastlane(server, {"hot": {"plugin": "redis"}},
                      {"m": {"table": "Shop.USERS", "key": "{table}:{id}"}})
    done = command("-c", daemon.config, "--check")
    assert (done.returncode, done.stderr) == (OK, "") and "    shop.users: a key" in done.stdout
    line = '{"db": "shop", "table": "users", "after": {"id": 7}}'
    for told in (explain(daemon.config, line), explain(daemon.config, "shop.users WHERE id = 7")[:1]):
        assert told[0].maps == {"m": "table matches"}
        assert told[0].operations == {"hot": [("SET", "users:7", 0, '{"id":7}')]}


def test_check_looks_at_all_tables_and_lists_a_few(mariadb, fastlane, db):
    mariadb.run("CREATE DATABASE " + db, *(
        "CREATE TABLE %s.shard%02d (id INT PRIMARY KEY%s)" % (db, n, "" if n == 24 else ", name INT")
        for n in range(25)))
    daemon = fastlane(mariadb, {"hot": {"plugin": "redis"}},
                      {"m": {"table": db + ".shard*", "key": "{table}:{id}", "invalidate": "n:{name}"}})
    done = command("-c", daemon.config, "--check")
    assert done.returncode == CONFIGURATION
    assert done.stderr.count("\n") == 2 and "shard24 has no column name; it has id\n" in done.stderr
    assert done.stdout.count("a key for each row, by PRIMARY") == 20 and "and 5 more" in done.stdout


def test_check_of_a_source_that_can_not_be_asked(fastlane, mariadb, figures):
    """One that refuses, one that never says a word, one that does not know the account."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for options in ({"host": "127.0.0.1", "port": free_port()},
                        {"host": "127.0.0.1", "port": silent.getsockname()[1]},
                        {"password": "wrong"}):
            daemon = fastlane(mariadb, {"hot": {"plugin": "redis"}},
                              {"m": {"table": "shop.users", "key": "u:{id}"}},
                              connect_timeout=2, **options)
            started = time.monotonic()
            done = command("-c", daemon.config, "--check")
            took = time.monotonic() - started
            assert done.returncode == OK and "is right: 1 sinks, 1 maps" in done.stdout
            assert "warning: %s: the maps are not checked against the source's tables: cannot " % (
                daemon.config) in done.stderr, done.stderr
            assert "wrong" not in done.stderr + done.stdout
            assert took < 8
            figures("%s: told after %.1f s" % (sorted(options), took))
