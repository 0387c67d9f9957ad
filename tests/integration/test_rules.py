# SPDX-License-Identifier: Apache-2.0
"""etc/examples/shop.ini and what it says, by real servers: the caches hold what the database says."""

import configparser
import json
import os
import random
import re

import msgpack
import pytest

from harness.daemon import command
from harness.monitor import Monitor
from harness.proxy import Proxy
from harness.reloads import refused, reload
from harness.wait import wait_for

EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "etc", "examples", "shop.ini")

TABLES = (
    "users (id int PRIMARY KEY, name varchar(50), email varchar(100), password_hash binary(8), "
    "deleted_at datetime)",
    "products (id int PRIMARY KEY, name varchar(50), price decimal(10,2), category_id int, "
    "status varchar(10), internal_note text)",
    "offers (product_id int PRIMARY KEY, percent int, ends_at datetime)",
    "posts (id int PRIMARY KEY, author_id int, tag varchar(20), created_at datetime)",
)
ORDERS = "orders (id int PRIMARY KEY, state varchar(20), total decimal(10,2))"


def read_example(db):
    """Its sections, for databases of the test's own."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(EXAMPLE)
    maps = {}
    for section in parser.sections():
        if section.startswith("map:"):
            keys = dict(parser[section])
            keys["table"] = keys["table"].replace("shop", db)
            maps[section[4:]] = keys
    return maps


@pytest.fixture
def shop(source, rig, db):
    r = rig(source, [], maps=read_example(db))
    for shard in (1, 2):
        source.run("CREATE DATABASE `%s_%d`" % (db, shard))
        source.run("CREATE TABLE %s" % ORDERS, database="%s_%d" % (db, shard))
    for table in TABLES:
        source.run("CREATE TABLE " + table, database=db)
    r.run = lambda sql, database=db: source.run(sql, database=database)
    r.daemon.start()
    yield r
    r.daemon.stop()


def text(value):
    return None if value is None else str(value)


def test_the_example_is_right(tmp_path):
    """As it stands, but for what no test machine has."""
    password = tmp_path / "password"
    password.write_text("secret")
    password.chmod(0o600)
    with open(EXAMPLE) as file:
        content = file.read()
    config = tmp_path / "shop.ini"
    config.write_text(content.replace("/var/lib/fastlane", str(tmp_path)).replace(
        "/etc/fastlane/password", str(password)))
    done = command("-c", str(config), "--check")
    assert done.returncode == 0, done.stderr


def test_a_shop_s_caches_hold_what_the_database_says(shop, db):
    chance = random.Random(4)
    r = shop
    for step in range(6):
        for _ in range(40):
            number = chance.randrange(1, 12)
            r.run("REPLACE INTO users VALUES (%d, 'n%d', 'User.%d@X.org', 'secret', %s)" % (
                number, step, chance.randrange(1, 20) * 100 + number,
                chance.choice(("NULL", "NULL", "'2024-01-01'"))))
            r.run("INSERT INTO products VALUES ({0}, 'p{1}', {2}, {3}, '{4}', {5}) ON DUPLICATE KEY "
                  "UPDATE name = 'p{1}', price = {2}, category_id = {3}, status = '{4}', internal_note = {5}"
                  .format(number, step, chance.choice(("0", "9.95", "10000.00")), chance.randrange(3),
                          chance.choice(("active", "active", "Active", "draft")),
                          chance.choice(("NULL", "'x'"))))
            shard = chance.choice((1, 2))
            r.run("REPLACE INTO orders VALUES (%d, '%s', 5.5)" % (
                number, chance.choice(("new", "shipped", "done", "cancelled"))), "%s_%d" % (db, shard))
            if chance.random() < 0.2:
                r.run("DELETE FROM users WHERE id = %d" % number)
                r.run("DELETE FROM products WHERE id = %d" % number)
        r.settle()
        check(r, db)


def check(r, db):
    users = {row[0]: row for row in r.run("SELECT id, name, email, deleted_at FROM users")}
    for get in (r.redis.get, r.memcached.get):
        mails = {}
        for number in range(1, 12):
            row = users.get(str(number)) or users.get(number)
            found = get("user:%d" % number)
            if row is None or row[3] is not None:
                assert found is None, (number, found)
                continue
            assert json.loads(found) == {"id": number, "name": row[1], "mail": row[2]}
            mails["user:mail:" + row[2].lower()] = found
        assert all(get(key) == value for key, value in mails.items())
    assert {key.decode() for key in r.redis.scan_iter("user:mail:*", count=1000)} == set(mails)

    products = {int(row[0]): row for row in r.run(
        "SELECT id, name, price, category_id, status FROM products "
        "WHERE BINARY status = 'active' AND price > 0")}
    for number in range(1, 12):
        row = products.get(number)
        found = r.redis.hgetall("product:%d" % number)
        packed = r.memcached.get("product:%d" % number)
        if row is None:
            assert not found and packed is None, (number, found, packed)
            continue
        assert {key.decode(): value.decode() for key, value in found.items()} == {
            "id": text(row[0]), "name": row[1], "price": text(row[2]), "category_id": text(row[3]),
            "status": "active"}
        assert msgpack.unpackb(packed) == {
            "id": number, "name": row[1], "price": text(row[2]), "category_id": int(row[3])}

    # Nobody has looked at any order, so the cache holds none.
    assert not list(r.redis.scan_iter("order:*", count=1000))


def test_what_is_in_the_cache_is_updated_and_a_cold_one_is_not_filled(shop, db):
    r, shard = shop, db + "_1"
    r.run("INSERT INTO orders VALUES (1, 'new', 5), (2, 'new', 6)", shard)
    r.settle()
    keys = ["order:%s:%d" % (shard, n) for n in (1, 2)]
    assert [r.redis.get(key) for key in keys] == [None, None]
    for cache_set in (lambda: r.redis.set(keys[0], "old", ex=9999), lambda: r.memcached.set(keys[0], b"old")):
        cache_set()
    r.run("UPDATE orders SET state = 'shipped'", shard)
    r.settle()
    for get in (r.redis.get, r.memcached.get):
        assert b'"state":"shipped"' in get(keys[0]).replace(b" ", b"")
        assert get(keys[1]) is None
        assert get("order-state:%s:2" % shard) == b"shipped"
    assert 3500 < r.redis.ttl(keys[0]) <= 3600
    r.run("UPDATE orders SET state = 'done'", shard)
    r.settle()
    for get in (r.redis.get, r.memcached.get):
        assert get("order-state:%s:1" % shard) is None and get(keys[0]) is not None


def test_lists_of_the_old_and_of_the_new_owner_go(shop):
    r = shop
    r.run("INSERT INTO products VALUES (1, 'a', 5, 7, 'active', NULL), (2, 'b', 5, 9, 'draft', NULL)")
    r.run("INSERT INTO posts VALUES (1, 17, 'C & D', '2024-02-29 23:00:00')")
    r.settle()
    lists = ["category:%d:%s" % (c, rest) for c in (7, 8, 9, 70) for rest in ("all", "by*price")]
    feeds = ["feed:17", "feed:18", "tag:c%20%26%20d:posts", "tag:x:posts", "posts:2024-02-29", "posts:2024-03-01"]

    def fill():
        for key in lists + feeds:
            r.redis.set(key, "list")

    def left(*keys):
        r.settle()
        assert {key for key in lists + feeds if r.redis.exists(key)} == set(lists + feeds) - set(keys)

    fill()
    r.run("UPDATE products SET category_id = 8 WHERE id = 1")
    left(*lists[:4])
    assert r.redis.hget("product:1", "category_id") == b"8"
    fill()
    r.run("UPDATE products SET category_id = 8 WHERE id = 2")  # a draft is in no list
    left()
    r.run("UPDATE posts SET author_id = 18")
    left("feed:17", "feed:18", "tag:c%20%26%20d:posts", "posts:2024-02-29")
    fill()
    r.run("DELETE FROM posts")
    left("feed:18", "tag:c%20%26%20d:posts", "posts:2024-02-29")


def test_a_column_says_when_a_value_ends(shop):
    r = shop
    r.run("INSERT INTO offers VALUES (1, 10, UTC_TIMESTAMP() + INTERVAL 1 HOUR), "
          "(2, 20, UTC_TIMESTAMP() - INTERVAL 1 SECOND), (3, 30, NULL), "
          "(4, 40, UTC_TIMESTAMP() + INTERVAL 3 SECOND)")
    r.settle()
    assert 3500 < r.redis.ttl("offer:1") <= 3600
    date = text(r.run("SELECT DATE(ends_at) FROM offers WHERE product_id = 1")[0][0])
    for get in (r.redis.get, r.memcached.get):
        assert get("offer:1") == b"10 % off until " + date.encode()
        assert get("offer:2") is None
        assert get("offer:3") == b"30 % off until "
    assert r.redis.ttl("offer:3") == -1
    for get in (r.redis.get, r.memcached.get):
        wait_for(lambda: get("offer:4") is None, "the end of an offer")


def test_a_hash_has_no_field_too_many_and_lives_as_long_as_it_may(source, rig, db):
    r = rig(source, [], maps={
        "h": {"table": db + ".h", "key": "h:{id}", "value": "hash", "ttl": "500", "sinks": "hot"},
        "x": {"table": db + ".h", "key": "x:{id}", "value": "hash", "ttl": "600", "sinks": "hot",
              "mode": "update-existing", "exclude": "id"}})
    source.run("CREATE TABLE h (id int PRIMARY KEY, a varchar(20), b varbinary(20))", database=db)
    r.daemon.start()
    for key in ("h:1", "x:1"):
        r.redis.hset(key, mapping={"stale": "field"})
    source.run("INSERT INTO h VALUES (1, 'a', X'00ff'), (2, NULL, 'b')", database=db)
    r.settle()
    assert r.redis.hgetall("h:1") == {b"id": b"1", b"a": b"a", b"b": b"\x00\xff"}
    assert r.redis.hgetall("h:2") == {b"id": b"2", b"b": b"b"}
    assert r.redis.hgetall("x:1") == {b"a": b"a", b"b": b"\x00\xff"}
    assert not r.redis.exists("x:2")
    assert 400 < r.redis.ttl("h:1") <= 500 < r.redis.ttl("x:1") <= 600
    r.redis.set("h:1", "of another type")
    source.run("UPDATE h SET a = NULL", database=db)
    r.settle()
    assert r.redis.hgetall("h:1") == {b"id": b"1", b"b": b"\x00\xff"}
    assert r.redis.hgetall("x:1") == {b"b": b"\x00\xff"}
    source.run("DELETE FROM h", database=db)
    r.settle()
    assert not r.redis.exists("h:1", "h:2", "x:1")
    r.daemon.stop()


def test_the_last_write_of_a_key_wins_and_batches_end_between_transactions(mariadb, rig, db):
    """Redis sees a part of them only; whole transactions all the same."""
    r = rig(mariadb, [], maps={"c": {"table": db + ".c", "key": "c:{id}", "value": "column:n"}})
    r.daemon.sections["sink:hot"]["max_batch_ops"] = 50
    r.daemon.write()
    mariadb.run("CREATE TABLE c (id int PRIMARY KEY, n int)", database=db)
    with mariadb.connect(db) as connection, connection.cursor() as cursor:
        for n in range(300):
            cursor.execute("BEGIN")
            cursor.execute("REPLACE INTO c VALUES (1, %d), (2, %d)" % (n, n))
            cursor.execute("COMMIT")
    monitor = Monitor(r.redis_server.port)
    r.daemon.start()
    r.settle()
    monitor.close()
    values = monitor.values("c:")
    assert values[-2:] in ([("c:1", "299"), ("c:2", "299")], [("c:2", "299"), ("c:1", "299")])
    # Both of a transaction, in the same batch, and never one of them older.
    assert len(values) < 500
    assert sorted(n for key, n in values if key == "c:1") == sorted(n for key, n in values if key == "c:2")
    numbers = [int(n) for key, n in values if key == "c:1"]
    assert numbers == sorted(numbers) and r.memcached.get("c:1") == b"299"
    r.daemon.stop()
    left_out = int(re.search(r"\[hot\] (\d+) operations were left out", r.daemon.log)[1])
    assert left_out + len(values) == 600, (left_out, len(values))


@pytest.mark.parametrize("keys, sink, says", [
    ({"value": "hash"}, "pool", "value: [sink:pool] is of the plugin memcached: hash is nothing that it can keep"),
    ({"invalidate": "l:{id}:{*}"}, "pool", "invalidate: [sink:pool] is of the plugin memcached: it can't find keys by {*}"),
    ({"only_when": "id = 'x"}, "hot", "only_when = id = 'x: the quote at column 6 has no end"),
    ({"columns": "a", "exclude": "b"}, "hot", "columns and exclude: one of them says all"),
    ({"ttl_jitter": "10%"}, "hot", "ttl_jitter: nothing expires"),
])
def test_what_can_t_be_done_is_refused_at_the_start_by_line(keys, sink, says, tmp_path):
    password = tmp_path / "password"
    password.write_text("secret")
    lines = ["[source]", "user = repl", "server_id = 5", "[fastlane]", "state_dir = %s" % tmp_path,
             "[sink:hot]", "plugin = redis", "[sink:pool]", "plugin = memcached", "servers = 127.0.0.1",
             "[map:m]", "table = a.b", "key = k:{id}", "sinks = " + sink]
    lines += ["%s = %s" % pair for pair in keys.items()]
    config = tmp_path / "m.ini"
    config.write_text("\n".join(lines) + "\n")
    done = command("-c", str(config), "--check")
    assert done.returncode == 2
    line = 15 if "exclude" not in keys else None
    assert any(("m.ini:%s" % (line or "")) in text and "[map:m] " + says in text
               for text in done.stderr.splitlines()), done.stderr


# What says of a table's columns what can't be, by key: and what is said of it.
MISFITS = {
    "a column that is not there": ({"key": "m:{idd}"}, "key", r"m:\{idd\}: \S+\.m has no column idd"),
    "a number as text": ({"only_when": "id = 'seven'"}, "only_when", "id .*number"),
    "a column to be shown that is not there": ({"columns": "id, nome"}, "columns", "no column nome"),
    "a date of none": ({"invalidate": "on:{name|date}"}, "invalidate", "name is no DATE"),
    "a lifetime that is none": ({"ttl": "column:name"}, "ttl", "name"),
}


def misfit(r, name):
    keys, key, said = MISFITS[name]
    r.daemon.sections["map:m"] = {**r.daemon.sections["map:m"], **keys}
    r.daemon.write()
    with open(r.daemon.config) as file:
        lines = file.read().split("\n")
    line = lines.index("[map:m]") + 1
    while key is not None and not lines[line - 1].startswith(key + " ="):
        line += 1
    return r"fastlane\.ini:%d: \[map:m\] (%s: )?.*%s" % (line, key, said)


def test_numbers_are_compared_exactly(source, rig, db):
    """Beyond what a double can tell apart, whether they are written with an exponent or not."""
    conditions = {
        "big": "big = 9007199254740993e0", "bigger": "big > 9007199254740992e0",
        "most": "big >= 1844674407370955161.5e1", "price": "price > 1.00000000000000000001e0",
        "exact": "price = 100000000000000000002e-20"}
    r = rig(source, [], maps={name: {"table": db + ".n", "key": name + ":{big}", "only_when": condition}
                              for name, condition in conditions.items()})
    source.run("CREATE TABLE n (big BIGINT UNSIGNED PRIMARY KEY, price DECIMAL(40, 20))", database=db)
    r.daemon.start()
    source.run("INSERT INTO n VALUES (9007199254740992, 1.00000000000000000001), "
               "(9007199254740993, 1.00000000000000000002), (18446744073709551615, 1)", database=db)
    r.settle()
    made = {name: [key.decode()[len(name) + 1:] for key in r.redis.scan_iter(name + ":*")] for name in conditions}
    assert {name: sorted(keys) for name, keys in made.items()} == {
        "big": ["9007199254740993"], "bigger": ["18446744073709551615", "9007199254740993"],
        "most": ["18446744073709551615"], "price": ["9007199254740993"], "exact": ["9007199254740993"]}
    r.daemon.stop()


@pytest.fixture
def small(mariadb, rig, db):
    r = rig(mariadb, [], maps={"m": {"table": db + ".m", "key": "m:{id}"}})
    r.insert = lambda number: mariadb.run("INSERT INTO m VALUES (%d, 'x')" % number, database=db)
    mariadb.run("CREATE TABLE m (id INT PRIMARY KEY, name VARCHAR(20))", database=db)
    return r


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_the_tables_is_told_at_the_start(name, small):
    """And its keys are deleted: what others have of the same daemon does not become stale."""
    said = misfit(small, name)
    small.redis.set("m:7", "stale")
    small.daemon.start()
    small.daemon.wait_log(said)
    small.daemon.wait_log("do not fit the source's tables")
    small.insert(7)
    small.settle()
    assert small.redis.get("m:7") is None
    small.daemon.stop()


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_the_tables_is_refused_under_halt(name, small):
    small.daemon.sections["source"]["on_doubt"] = "halt"
    said = misfit(small, name)
    small.daemon.start()
    assert small.daemon.wait(20) == 2
    assert re.search("error " + r"\S*" + said, small.daemon.log), small.daemon.log


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_the_tables_is_not_put_in_force(name, small):
    good = small.daemon.sections["map:m"]
    small.daemon.start()
    small.insert(1)
    small.settle()
    assert json.loads(small.redis.get("m:1")) == {"id": 1, "name": "x"}
    refused(small, misfit(small, name))
    small.insert(2)
    small.settle()
    assert json.loads(small.redis.get("m:2")) == {"id": 2, "name": "x"}
    reload(small, **{"map:m": {**good, "columns": "id"}})
    small.insert(3)
    small.settle()
    assert json.loads(small.redis.get("m:3")) == {"id": 3}
    small.daemon.stop()


def test_an_account_that_sees_some_columns_is_not_told_what_is_not_there(small, mariadb, db):
    """With names in the log no SELECT is needed: what can't be seen is not lacking."""
    mariadb.run("DROP USER IF EXISTS some@'%'", "CREATE USER some@'%' IDENTIFIED BY 'some'",
                "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO some@'%'",
                "GRANT SELECT (id) ON %s.m TO some@'%%'" % db)
    small.daemon.sections["source"].update(user="some", password="some", on_doubt="halt")
    small.daemon.sections["map:m"]["columns"] = "id, name"
    small.daemon.write()
    small.daemon.start()
    small.daemon.wait_log("has no column name that the account can see")
    small.insert(7)
    small.settle()
    assert json.loads(small.redis.get("m:7")) == {"id": 7, "name": "x"}
    reload(small)
    small.insert(8)
    small.settle()
    assert json.loads(small.redis.get("m:8")) == {"id": 8, "name": "x"}
    small.daemon.stop()


def test_looking_at_tables_ends_with_the_daemon(small, mariadb, db):
    """However many there are, and however slow the source."""
    proxy = Proxy(mariadb.port)
    for number in range(80):
        mariadb.run("CREATE TABLE m%d (id INT PRIMARY KEY)" % number, database=db)
    small.daemon.sections["source"].pop("socket", None)
    small.daemon.sections["source"].update(host="127.0.0.1", port=proxy.port)
    small.daemon.sections["map:m"].update(table=db + ".m*", columns="id, name")
    small.daemon.write()
    small.daemon.start()
    small.daemon.wait_log(r"m0 has no column name")
    proxy.seconds = 0.2
    small.daemon.wait_log(r"m10 has no column name")
    small.daemon.stop(seconds=3)
    assert "stopped" in small.daemon.log and "lane 0 reads" not in small.daemon.log
    proxy.close()


def test_what_can_t_be_looked_at_is_not_put_in_force(small, mariadb):
    """The source is lost between being asked and being looked at."""
    proxy = Proxy(mariadb.port)
    small.daemon.sections["source"].pop("socket", None)
    small.daemon.sections["source"].update(host="127.0.0.1", port=proxy.port)
    small.daemon.write()
    small.daemon.start()
    small.insert(1)
    small.settle()
    small.daemon.sections["map:m"]["columns"] = "id, nope"
    small.daemon.write()
    proxy.refuse_from(2)  # the source is asked by one, and its tables are looked at by the next
    refused(small, "could not be held against the source's tables")
    proxy.refuse_from(None)
    small.insert(2)
    small.settle()
    assert json.loads(small.redis.get("m:2")) == {"id": 2, "name": "x"}
    small.daemon.stop()
    proxy.close()
