# SPDX-License-Identifier: Apache-2.0
"""What servers put into their binary logs, or how they keep them, beyond plain rows."""

import json
import os
import random

import pytest

from harness.servers import MariaDB, MariaDB118, MySQL, MySQL56
from harness.tables import Column, Table

pytestmark = pytest.mark.source

SERVERS = {"mariadb": MariaDB, "mariadb118": MariaDB118, "mysql": MySQL, "mysql56": MySQL56}


def users(db, name="users"):
    return Table(db, name, [
        Column("id", "int", "int", nullable=False),
        Column("email", "varchar(300)", "text"),
    ])


@pytest.fixture
def encrypted(request, root, start_server):
    """A server whose binary log is encrypted on its disk."""
    if request.param is MariaDB118:
        keys = root + "/keys"
        with open(keys, "w") as file:
            file.write("1;%064x\n" % random.getrandbits(256))
        return start_server(
            MariaDB118, "--plugin-load-add=file_key_management", "--encrypt-binlog=ON",
            "--file-key-management-filename=" + keys)
    server = start_server(MySQL)
    server.stop()
    data = server.dir + "/data/"
    with open(data + "mysqld.my", "w") as file:
        json.dump({"components": "file://component_keyring_file"}, file)
    with open(data + "component_keyring_file.cnf", "w") as file:
        json.dump({"path": data + "keyring", "read_only": False}, file)
    server.options += ("--binlog-encryption=ON",)
    return server.start()


@pytest.mark.parametrize("encrypted", [MariaDB118, MySQL], indirect=True, ids=["mariadb118", "mysql"])
@pytest.mark.parametrize("metadata", ["full", "least"])
def test_encrypted_binlogs_are_read_as_the_server_sends_them(encrypted, metadata, rig, db):
    server = encrypted
    if metadata == "least":
        server.set_least_metadata()
    r = rig(server, [users(db)])
    server.run("INSERT INTO users VALUES (1, 'not to be read on the disk')",
               "ALTER TABLE users ADD INDEX (email)", "FLUSH BINARY LOGS",
               "INSERT INTO users VALUES (2, 'not to be read on the disk')", database=db)
    r.daemon.start()
    r.settle()
    r.daemon.stop()
    server.run("UPDATE users SET email = CONCAT(email, '!')", database=db)
    r.daemon.start()
    r.settle()
    assert r.compare(sinks=("hot", "pool")) == (4, 8)
    r.daemon.stop()
    for name in os.listdir(server.dir + "/data"):
        if name.startswith("binlog.0"):
            with open(server.dir + "/data/" + name, "rb") as file:
                assert b"read on the disk" not in file.read()


def test_load_data_arrives_as_rows(any_source, rig, db, folder):
    r = rig(any_source, [users(db)])
    r.daemon.start()
    with open(folder + "/rows", "w") as file:
        file.writelines("%d\tname %d ü\n" % (number, number) for number in range(5000))
    with any_source.connect(db, local_infile=True) as connection:
        connection.cursor().execute(
            "LOAD DATA LOCAL INFILE '%s/rows' INTO TABLE users CHARACTER SET utf8mb4" % folder)
        connection.cursor().execute(
            "LOAD DATA LOCAL INFILE '%s/rows' REPLACE INTO TABLE users CHARACTER SET latin1" % folder)
    r.settle()
    assert r.compare() == (15000, 30000)
    r.daemon.stop()


@pytest.mark.parametrize("on_doubt", ["delete", "halt"])
def test_a_statement_in_place_of_rows_is_said_and_never_passed_over(any_source, on_doubt, rig, db):
    r = rig(any_source, [users(db)], on_doubt=on_doubt)
    r.daemon.start()
    any_source.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')", database=db)
    r.settle()
    any_source.run("SET SESSION binlog_format = 'STATEMENT'",
                   "UPDATE users SET email = CONCAT(email, '?')", database=db)
    if on_doubt == "halt":
        assert r.daemon.wait(30) != 0
    else:
        r.settle()
        assert not r.redis.exists("users:1", "users:2") and r.memcached.get("users:1") is None
        any_source.run("UPDATE users SET email = 'c'", database=db)
        r.settle()
        assert r.compare(sinks=("hot", "pool")) == (4, 8)
        r.daemon.stop()
    assert "a statement in place of rows" in r.daemon.log
    assert "SET GLOBAL binlog_format = ROW" in r.daemon.log


STATEMENTS = {
    "view": "DELETE FROM all_users",
    "trigger": "DELETE FROM other",
    # GTIDs forbid the first of these to MySQL, the others are MariaDB's.
    "function": "CREATE TABLE copy SELECT rename_all()",
    "analyze": "ANALYZE UPDATE users SET email = 'new'",
    "set_statement": "SET STATEMENT max_statement_time = 100 FOR UPDATE users SET email = 'new'",
}


@pytest.mark.parametrize("server,name", [
    *((server, name) for server in ("mariadb", "mariadb118") for name in STATEMENTS),
    *((server, name) for server in ("mysql", "mysql56") for name in ("view", "trigger"))])
def test_a_statement_may_change_other_tables_than_it_names(request, server, name, rig, db):
    server = request.getfixturevalue(server)
    r = rig(server, [users(db)])
    r.daemon.start()
    server.run(
        "CREATE VIEW all_users AS SELECT * FROM users", "CREATE TABLE other (id int PRIMARY KEY)",
        "CREATE TRIGGER gone BEFORE DELETE ON other FOR EACH ROW DELETE FROM users WHERE id = OLD.id",
        "CREATE FUNCTION rename_all() RETURNS int DETERMINISTIC MODIFIES SQL DATA "
        "BEGIN UPDATE users SET email = 'new'; RETURN 1; END",
        "INSERT INTO other VALUES (1)", "INSERT INTO users VALUES (1, 'a'), (2, 'b')", database=db)
    r.settle()
    server.run("SET SESSION binlog_format = 'STATEMENT'", STATEMENTS[name], database=db)
    r.settle()
    r.compare(sinks=("hot", "pool"), all_there=False)
    assert any("a statement in place of rows" in doubt for doubt in r.stream().doubts)
    r.daemon.stop()


def test_an_event_over_16_mib_arrives_whole(any_source, rig, db):
    table = Table(db, "big", [Column("id", "int", "int", nullable=False),
                              Column("body", "longblob", "binary")])
    r = rig(any_source, [table], sinks={})
    if any_source.version < (8,):
        # Its redo log is too small for such a row, and large ones take long to make.
        any_source.run("ALTER TABLE big ENGINE = MyISAM", database=db)
    r.daemon.sections["sink:pool"]["item_max"] = 60 << 20
    r.daemon.write()
    r.daemon.start()
    body = random.Random(1).randbytes(20_000_000)
    sizes = (20_000_000, (1 << 24) - 1)  # beyond one packet of the protocol, and about one
    with any_source.connect(db) as connection:
        for number, size in enumerate(sizes):
            connection.cursor().execute(
                "INSERT INTO big VALUES (%s, _binary %s)", (number, body[:size]))
    r.settle()
    assert r.compare(sinks=("hot",))[0] == len(sizes)
    r.daemon.stop()


def start_folding(name, root, start_server):
    """A server that takes table names without case, and keeps them in lower case."""
    fold = "--lower-case-table-names=1"
    if name != "mysql":
        return start_server(SERVERS[name], fold)

    class Folding(MySQL):
        def start(self):
            self.call("initialize", fold)
            return super().start()
    return start_server(Folding, fold)


@pytest.mark.parametrize("name", SERVERS)
def test_names_without_case_where_the_server_has_them_so(name, root, start_server, rig, db):
    server = start_folding(name, root, start_server)
    for metadata in ("full", "least"):
        if metadata == "least":
            server.set_least_metadata()
        base = db + metadata
        r = rig(server, [], start=server.gtids() or "earliest") if metadata == "full" else r
        if metadata == "least":
            r.daemon.stop()
        r.daemon.sections["map:" + metadata] = {
            "table": base.upper() + ".USERS_?", "key": metadata + ":{id}"}
        r.daemon.write()
        server.run("CREATE DATABASE `%s`" % base.upper(), "USE `%s`" % base,
                   "CREATE TABLE Users_A (Id int PRIMARY KEY, Email varchar(20))",
                   "INSERT INTO USERS_a VALUES (1, 'x'), (2, 'y')")
        r.daemon.start()
        r.settle()
        assert json.loads(r.redis.get(metadata + ":1")) == {"Id": 1, "Email": "x"}
        server.run("ALTER TABLE `%s`.uSERS_A CHANGE Email Mail varchar(20)" % base,
                   "INSERT INTO `%s`.users_A VALUES (3, 'z')" % base)
        r.settle()
        assert r.redis.get(metadata + ":1") is None
        assert json.loads(r.redis.get(metadata + ":3")) == {"Id": 3, "Mail": "z"}
        server.run("DROP TABLE `%s`.USERS_A" % base)
        r.settle()
        assert r.redis.get(metadata + ":3") is None
    r.daemon.stop()


TABLES = ["plain", "with space", "dot.dot", "back`tick", 'dou"ble', "sing'le", "per%cent", "ümläut",
          "漢字", "MiXeD", "semi;colon", "back\\slash", "sla/sh", "-- dashes", "{braces}", "42"]
COLUMNS = ["a b", "c`d", 'e"f', "g'h", "i.j", "k%l", "ü", "漢", "MiXeD", "{x}", "back\\slash", "1"]


def quoted(name):
    return "`%s`" % name.replace("`", "``")


@pytest.mark.parametrize("metadata", ["full", "least"])
def test_identifiers_of_any_kind(any_source, metadata, rig, db):
    server = any_source
    if metadata == "least":
        server.set_least_metadata()
    base = db + "`s \"odd\" ü.db"
    r = rig(server, [], maps={"odd": {"table": db + "?s*odd*.*", "key": "{db}|{table}|{id}"}})
    place = quoted(base) + "."
    columns = ", ".join("%s varchar(20)" % quoted(name) for name in COLUMNS)
    values = {name: "in %s" % name for name in COLUMNS}

    def insert(cursor, table, number):
        cursor.execute("INSERT INTO %s (id, %s) VALUES (%d, %s)" % (
            place + quoted(table), ", ".join(map(quoted, values)), number,
            ", ".join(map(connection.escape, values.values()))))

    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE " + quoted(base))
        for table in TABLES:
            cursor.execute("CREATE TABLE %s (id int PRIMARY KEY, %s)" % (place + quoted(table), columns))
            insert(cursor, table, 1)
        for table in TABLES:
            # The same types in another order: only the names tell.
            cursor.execute("ALTER TABLE %s MODIFY %s varchar(20) AFTER id" % (
                place + quoted(table), quoted(COLUMNS[-1])))
        for table in TABLES:  # DDL that names others than ASCII clears all keys
            insert(cursor, table, 2)
        r.daemon.start()
        r.settle()
        for table in TABLES:
            found = json.loads(r.redis.get("%s|%s|2" % (base, table)))
            assert found == {"id": 2, **values}, table
            assert list(found)[1] == COLUMNS[-1]
            assert r.redis.get("%s|%s|1" % (base, table)) is None
        for table in TABLES:
            cursor.execute("RENAME TABLE %s TO %s" % (place + quoted(table), place + quoted(table + "2")))
        r.settle()
        for table in TABLES:
            assert r.redis.get("%s|%s|2" % (base, table)) is None, table
        cursor.execute("DROP DATABASE " + quoted(base))
    r.daemon.stop()


@pytest.mark.parametrize("metadata", ["full", "least"])
def test_tables_are_named_by_a_client_of_another_character_set(any_source, metadata, rig, db):
    server = any_source
    if metadata == "least":
        server.set_least_metadata()
    r = rig(server, [], maps={"all": {"table": db + ".t*", "key": "{table}:{id}"}})
    r.daemon.start()
    with server.connect(db, charset="latin1") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tür (id int PRIMARY KEY, größe varchar(20), öl varchar(20))")
        cursor.execute("INSERT INTO tür VALUES (1, 'groß', 'öl')")
        r.settle()
        assert json.loads(r.redis.get("tür:1")) == {"id": 1, "größe": "groß", "öl": "öl"}
        cursor.execute("ALTER TABLE tür CHANGE größe maß varchar(20)")
        cursor.execute("INSERT INTO tür VALUES (2, 'groß', 'öl')")
        r.settle()
        assert r.redis.get("tür:1") is None
        assert json.loads(r.redis.get("tür:2")) == {"id": 2, "maß": "groß", "öl": "öl"}
        cursor.execute("DROP TABLE tür")
        r.settle()
        assert r.redis.get("tür:2") is None
    r.daemon.stop()
