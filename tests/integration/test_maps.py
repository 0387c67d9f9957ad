# SPDX-License-Identifier: Apache-2.0
"""What becomes of changes in caches: keys, deletes, clears, and what is in doubt."""

import json
import random
import re

import pytest

from harness import caches
from harness.servers import MemcachedServer
from harness.tables import Column, Table, memcached_key
from harness.wait import wait_for


def users(db, name="users"):
    return Table(db, name, [
        Column("id", "int", "int", nullable=False),
        Column("email", "varchar(300)", "text"),
    ])


def in_caches(r, table):
    """The keys of a table in both caches, which have to be the same."""
    hot = set(caches.in_redis(r.redis, table))
    pool = {key for key in r.memcached.keys() if key.startswith(table.name + ":")}
    assert pool == {memcached_key(key) for key in hot}
    return hot


def run(r, *statements):
    r.source.run(*statements, database=r.db)
    r.settle()


def test_an_update_that_moves_the_key_deletes_the_old_one(source, rig, db):
    r = rig(source, [users(db)])
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'a'), (2, 'b')", "UPDATE users SET id = 10 WHERE id = 1",
        "UPDATE users SET id = id + 100 ORDER BY id DESC")
    assert in_caches(r, r.tables["users"]) == {"users:110", "users:102"}
    r.compare()
    r.daemon.stop()


def test_further_keys_are_invalidated_from_both_images(source, rig, db):
    r = rig(source, [users(db)], maps={"users": {
        "table": db + ".users", "key": "users:{id}", "invalidate": "mail:{email} all-users"}})
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'old@x')")
    for key in ("mail:old@x", "mail:new@x", "all-users", "mail:other@x"):
        r.redis.set(key, "read by somebody")
        r.memcached.set(key, b"read by somebody")
    run(r, "UPDATE users SET email = 'new@x' WHERE id = 1")
    for key in ("mail:old@x", "mail:new@x", "all-users"):
        assert r.redis.get(key) is None and r.memcached.get(key) is None, key
    assert r.redis.get("mail:other@x") and r.memcached.get("mail:other@x")
    r.daemon.stop()


def test_value_none_only_deletes(source, rig, db):
    r = rig(source, [users(db)], maps={"users": {
        "table": db + ".users", "key": "users:{id}", "value": "none"}})
    r.daemon.start()
    r.redis.set("users:1", "read by somebody")
    r.memcached.set("users:1", b"read by somebody")
    run(r, "INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    assert in_caches(r, r.tables["users"]) == set()
    r.daemon.stop()


@pytest.mark.parametrize("statement", [
    "TRUNCATE TABLE users", "DROP TABLE users", "RENAME TABLE users TO users_old",
    "ALTER TABLE users RENAME TO users_old", "/* a note */ drop table if exists `users`, nothing",
])
def test_truncate_drop_and_rename_clear_the_tables_keys(source, rig, db, statement):
    r = rig(source, [users(db)])
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    assert len(in_caches(r, r.tables["users"])) == 2
    run(r, statement)
    assert in_caches(r, r.tables["users"]) == set()
    assert r.redis.exists("fastlane:position:hot")
    r.daemon.stop()


def test_drop_database_clears_the_keys_of_its_tables(source, rig, db):
    other = db + "_other"
    r = rig(source, [users(db)], maps={"others": {"table": other + ".*", "key": "{table}:{id}"}})
    source.run("CREATE DATABASE " + other, "CREATE TABLE %s.things (id int primary key)" % other,
               "INSERT INTO %s.things VALUES (1), (2)" % other)
    r.daemon.start()
    r.settle()
    assert r.redis.exists("things:1", "things:2") == 2
    run(r, "DROP DATABASE " + other)
    assert r.redis.exists("things:1", "things:2") == 0 and r.memcached.get("things:1") is None
    r.daemon.stop()


def test_ttl_is_set_in_both_caches(source, rig, db):
    table = users(db)
    month = 40 * 86400  # memcached takes numbers over 30 days for a date
    r = rig(source, [table], maps={
        "users": table.rule(ttl=1000),
        "long": {"table": db + ".users", "key": "long:{id}", "ttl": month}})
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'a')")
    for key, ttl in (("users:1", 1000), ("long:1", month)):
        assert ttl - 100 < r.redis.ttl(key) <= ttl
        assert ttl - 100 < r.memcached.ttl(key) <= ttl + 1
    assert r.redis.ttl("marker:1") == -1 and r.memcached.ttl("marker:1") == -1
    r.daemon.stop()


def test_awkward_keys_reach_memcached_encoded(source, rig, db):
    table = Table(db, "users", [Column("k", "varchar(300)", "text", nullable=False)], key=("k",))
    r = rig(source, [table])
    r.daemon.start()
    keys = ["a b", "tab\there", "100%", "%41", "ключ", "x" * 243, "x" * 244, "x" * 245, "x" * 300,
            " " * 80, "ü" * 130, "\x01\x7f", "line\nbreak"]
    with source.connect(db) as connection:
        for key in keys:
            connection.cursor().execute("INSERT INTO users VALUES (%s)", (key,))
    r.settle()
    for key in keys:
        value = r.memcached.get(memcached_key("users:" + key))
        assert value is not None, key
        assert json.loads(value) == {"k": key} == json.loads(r.redis.get("users:" + key))
    run(r, "DELETE FROM users")
    assert in_caches(r, table) == set()
    r.daemon.stop()


def test_a_value_too_large_for_memcached_is_deleted(mariadb, rig, db, start_server):
    table = Table(db, "big", [Column("id", "int", "int", nullable=False),
                              Column("body", "longtext", "text")])
    memcached = start_server(MemcachedServer, "--max-item-size=1m")
    r = rig(mariadb, [table], memcached=memcached)
    r.daemon.start()
    run(r, "INSERT INTO big VALUES (1, 'small'), (2, 'small')")
    assert in_caches(r, table) == {"big:1", "big:2"}
    run(r, "UPDATE big SET body = REPEAT('x', 2000000) WHERE id = 1")
    assert r.memcached.get("big:1") is None and r.memcached.get("big:2")
    assert len(r.redis.get("big:1")) > 2000000
    assert re.search(r"pool.*big:1", r.daemon.log), r.daemon.log
    run(r, "UPDATE big SET body = 'small again' WHERE id = 1")
    r.compare()
    r.daemon.stop()


def test_a_row_of_20_mb_arrives_whole(source, rig, db):
    table = Table(db, "big", [Column("id", "int", "int", nullable=False),
                              Column("body", "longblob", "binary")])
    r = rig(source, [table], sinks={})
    r.daemon.sections["sink:pool"]["item_max"] = 60 << 20
    r.daemon.write()
    r.daemon.start()
    body = random.Random(1).randbytes(20_000_000)
    with source.connect(db) as connection:
        connection.cursor().execute("INSERT INTO big VALUES (1, _binary %s)", (body,))
    r.settle()
    r.compare()
    r.daemon.stop()


@pytest.mark.parametrize("metadata", ["full", "least"])
def test_columns_are_added_and_dropped_while_rows_come(source, metadata, rig, db):
    if metadata == "least":
        source.set_global(binlog_row_metadata="'%s'" % source.least_metadata)
    r = rig(source, [users(db)])
    r.daemon.start()
    with source.connect(db) as connection, connection.cursor() as cursor:
        def rows(first, columns):
            for number in range(first, first + 300):
                cursor.execute("INSERT INTO users (id, %s) VALUES (%d, %s)" % (
                    ", ".join(columns), number, ", ".join(["'%d'" % number] * len(columns))))

        rows(0, ["email"])
        r.settle()
        cursor.execute("ALTER TABLE users ADD COLUMN age int unsigned FIRST, ADD COLUMN z text")
        r.settle()
        rows(1000, ["email", "age", "z"])
        r.settle()
        cursor.execute("ALTER TABLE users DROP COLUMN z, MODIFY age bigint AFTER email")
        r.settle()
        rows(2000, ["email", "age"])
        # A change of every row brings those back that a statement cleared.
        cursor.execute("UPDATE users SET email = CONCAT(email, '!')")
    r.settle()
    r.tables = {"users": Table(db, "users", [
        Column("id", "int", "int", nullable=False), Column("email", "varchar(300)", "text"),
        Column("age", "bigint", "int")])}
    r.compare(sinks=("hot", "pool"))
    r.daemon.stop()


def test_ddl_in_the_middle_of_a_backlog_never_gives_wrong_names(source, rig, db):
    """Rows from before a change of the table are read after it, without names in the log."""
    source.set_global(binlog_row_metadata="'%s'" % source.least_metadata)
    table = Table(db, "users", [Column("id", "int", "int", nullable=False),
                                Column("a", "varchar(20)", "text"),
                                Column("b", "varchar(20)", "text")])
    r = rig(source, [table])
    source.run(
        "INSERT INTO users VALUES (1, 'a', 'b'), (2, 'a', 'b')",
        "ALTER TABLE users MODIFY b varchar(20) AFTER id",  # same types, another order
        "INSERT INTO users (id, a, b) VALUES (3, 'a', 'b')",
        database=db)
    r.daemon.start()
    r.settle()
    for key, value in caches.in_redis(r.redis, table).items():
        row = json.loads(value)
        assert (row["a"], row["b"]) == ("a", "b"), "%s: %s" % (key, value)
    assert "users:3" in caches.in_redis(r.redis, table)
    r.daemon.stop()


@pytest.mark.source
def test_xa_rows_appear_with_the_commit_and_not_before(source, rig, db):
    r = rig(source, [users(db)])
    r.daemon.start()
    for name, number in (("kept", 1), ("dropped", 2)):
        source.run("XA START '%s'" % name, "INSERT INTO users VALUES (%d, 'xa')" % number,
                   "XA END '%s'" % name, "XA PREPARE '%s'" % name, database=db)
    r.settle()
    assert in_caches(r, r.tables["users"]) == set()
    assert r.stream().rows(r.tables["users"]) == {}
    # The sessions are gone, and another one decides.
    wait_for(lambda: len(source.run("XA RECOVER")) == 2, "prepared transactions are left")
    source.run("XA COMMIT 'kept'")
    source.run("XA ROLLBACK 'dropped'")
    r.settle()
    r.compare()
    assert in_caches(r, r.tables["users"]) == {"users:1"}
    r.daemon.stop()


def statement_in_the_log(r):
    """A row change that the binary log holds as a statement."""
    r.source.run("SET SESSION binlog_format = 'STATEMENT'",
                 "UPDATE users SET email = CONCAT(email, '?')", database=r.db)


def test_a_statement_in_the_log_clears_what_it_may_have_changed(source, rig, db):
    r = rig(source, [users(db)], on_doubt="delete")
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    statement_in_the_log(r)
    r.settle()
    assert in_caches(r, r.tables["users"]) == set()
    run(r, "UPDATE users SET email = 'c'")
    r.compare(sinks=("hot", "pool"))
    r.daemon.stop()


def test_a_statement_in_the_log_halts_when_told_so(source, rig, db):
    r = rig(source, [users(db)], on_doubt="halt")
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'a')")
    statement_in_the_log(r)
    r.mark()
    assert r.daemon.wait(30) != 0
    assert not r.has_mark("hot") and not r.has_mark("pool") and not r.has_mark("log")
    assert "statement" in r.daemon.log.lower()


def test_sinks_of_a_rule_are_the_only_ones(source, rig, db):
    table = users(db)
    r = rig(source, [table], maps={"users": table.rule(sinks="hot")})
    r.daemon.start()
    run(r, "INSERT INTO users VALUES (1, 'a')")
    assert r.redis.exists("users:1") and r.memcached.get("users:1") is None
    r.daemon.stop()


def test_rules_by_pattern_take_tables_that_come_later(source, rig, db):
    r = rig(source, [], maps={"all": {"table": db + ".t_?", "key": "{db}/{table}/{id}/{{}}"}})
    r.daemon.start()
    run(r, "CREATE TABLE t_1 (id int primary key, v text)", "INSERT INTO t_1 VALUES (1, 'x')",
        "CREATE TABLE t_22 (id int primary key, v text)", "INSERT INTO t_22 VALUES (1, 'x')")
    assert json.loads(r.redis.get(db + "/t_1/1/{}")) == {"id": 1, "v": "x"}
    assert not r.redis.exists(db + "/t_22/1/{}")
    r.daemon.stop()
