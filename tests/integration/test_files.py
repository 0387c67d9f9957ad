# SPDX-License-Identifier: Apache-2.0
"""Binlog files read instead of a server."""

import json
import os
import re
import shutil
import struct
import zlib

import pytest

from harness import workload
from harness.daemon import command
from harness.servers import MySQL
from harness.tables import Column, Table
from harness.wait import wait_for

HEADER = 19


def binlog_files(source, folder):
    """Copies of the source's binlog files, the one that is written to closed before."""
    source.run("FLUSH BINARY LOGS")
    names = [row[0] for row in source.run("SHOW BINARY LOGS")][:-1]
    for name in names:
        shutil.copy(os.path.join(source.dir, "data", name), folder)
    return [os.path.join(folder, name) for name in names]


def events(path):
    """Where each event begins, and its type."""
    with open(path, "rb") as file:
        data = file.read()
    found, at = [], 4
    while at + HEADER <= len(data):
        found.append((at, data[at + 4]))
        at += struct.unpack_from("<I", data, at + 9)[0]
    return found


def lines(text, db):
    return [line for line in text.splitlines() if line.startswith('{"db":"%s"' % db)]


def numbers(db):
    return Table(db, "numbers", [Column("id", "int", "int", nullable=False),
                                 Column("v", "varchar(200)", "text")])


@pytest.fixture
def small(mariadb, rig, db, folder):
    """One binlog file, of five transactions in a database: rig, path, its events."""
    r = rig(mariadb, [numbers(db)])
    mariadb.run("FLUSH BINARY LOGS")
    mariadb.run(*("INSERT INTO numbers VALUES (%d, 'row %d')" % (n, n) for n in range(1, 6)),
                database=db)
    path = binlog_files(mariadb, folder)[-1]
    return r, path, events(path)


@pytest.mark.source
def test_files_give_what_the_server_gave(any_source, rig, db, folder, figures):
    r = rig(any_source, workload.tables(db, any_source.flavour))
    r.daemon.start()
    workload.Workload(any_source, db, 1000).start().join()
    r.settle()
    r.daemon.stop()
    files = binlog_files(any_source, folder)
    done = command("--binlog-file", *files, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    with open(r.daemon.out) as file:
        live = lines(file.read(), db)
    replayed = lines(done.stdout, db)
    if any_source.least_metadata is None:
        # Without names: the same changes, as far as the log alone tells them.
        live = [json.loads(line) for line in live]
        replayed = [json.loads(line) for line in replayed]
        place = lambda line: (line["file"], line["pos"], line["table"])
        assert [place(line) for line in live] == [place(line) for line in replayed[-len(live):]]
        assert all("@1" in line["row"] for line in replayed if "row" in line)
    else:
        # The rig's tables were made before its daemon began to follow.
        assert live and live == replayed[-len(live):]
    figures("%d changes, the same from the server and from %d files" % (len(live), len(files)))


def test_files_without_names_number_their_columns(source, rig, db, folder):
    source.set_least_metadata()
    source.run("CREATE DATABASE `%s`" % db)
    source.run("CREATE TABLE t (id int primary key, u int unsigned, c char(4), b binary(4),"
               " e enum('x','y'), s set('a','b','c'), d decimal(10,2), j text) CHARSET latin1",
               "INSERT INTO t VALUES (7, 8, 'é', 0x61620000, 'y', 'a,c', -1.50, NULL)",
               "INSERT INTO t VALUES (-7, 8, 'c', 'bb', 'x', '', 0, 'text')", database=db)
    files = binlog_files(source, folder)
    done = command("--binlog-file", files[-1])
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in lines(done.stdout, db) if '"t"' in line][-2:]
    row = first["row"]
    assert list(row) == ["@%d" % n for n in range(1, 9)]
    assert (row["@1"], row["@2"], row["@5"], row["@6"]) == (7, 8, 2, 5)
    assert (row["@7"], row["@8"]) == ("-1.50", None)
    if source.flavour == "mysql":  # its least metadata have signs and character sets
        assert second["row"]["@1"] == -7 and second["row"]["@8"] == "text"
        assert (row["@3"], row["@4"]) == ("é", "YWIAAA==")
    else:  # nothing is guessed
        assert "sign" in second["doubt"] and "row" not in second
        assert (row["@3"], row["@4"]) == ("6Q==", "YWI=")


def test_files_into_caches(source, rig, db, folder):
    r = rig(source, workload.tables(db, source.flavour), start="current")
    workload.Workload(source, db, 500).start().join()
    r.mark()
    files = binlog_files(source, folder)
    assert r.daemon.run("--binlog-file", *files) == 0
    r.compare(sinks=("hot", "pool"))


def test_a_sink_goes_on_from_its_position_and_back_to_the_server(source, rig, db, folder):
    r = rig(source, [numbers(db)])
    source.run("INSERT INTO numbers VALUES (1, 'live')", database=db)
    r.daemon.start()
    r.settle()
    r.daemon.stop()
    source.run("INSERT INTO numbers VALUES (2, 'file')", database=db)
    files = binlog_files(source, folder)
    source.run("INSERT INTO numbers VALUES (3, 'live again')", database=db)
    assert r.daemon.run("--binlog-file", *files) == 0
    assert r.redis.exists("numbers:2") and not r.redis.exists("numbers:3")
    assert r.daemon.run("--binlog-file", *files) == 0
    r.daemon.start()
    r.settle()
    assert r.compare()[0] == 3 * 3  # the stream's own checks see that nothing came twice
    r.daemon.stop()


def test_files_that_begin_behind_a_sinks_position_are_refused(source, rig, db, folder):
    r = rig(source, [numbers(db)])
    r.daemon.start()
    r.settle()
    r.daemon.stop()
    source.run("INSERT INTO numbers VALUES (1, 'lost')", "FLUSH BINARY LOGS",
               "INSERT INTO numbers VALUES (2, 'there')", database=db)
    files = binlog_files(source, folder)
    assert r.daemon.run("--binlog-file", files[-1]) == 3
    assert "begins behind the sink's position" in r.daemon.log
    assert not r.redis.exists("numbers:2")


def test_a_large_transaction_in_a_file_arrives_in_parts(source, rig, db, folder):
    small = {"transaction_bytes": "1M", "queue_bytes": "1M"}
    r = rig(source, [numbers(db)], fastlane=small)
    rows = ["(%d, REPEAT('x', 200))" % n for n in range(15000)]
    source.run("INSERT INTO numbers VALUES (99999, 'before')",
               "INSERT INTO numbers VALUES " + ",".join(rows),
               "UPDATE numbers SET v = 'after' WHERE id < 10000", database=db)
    files = binlog_files(source, folder)
    assert r.daemon.run("--binlog-file", *files) == 0
    assert r.daemon.log.count("reads " + files[-1]) >= 1
    assert r.compare(sinks=("hot", "pool"))[0] == 2 * 15001


def damaged(path, change):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data = change(data) or data
    with open(path, "wb") as file:
        file.write(data)


def is_rows(kind):
    return kind == 23


def flip(offset):
    def change(data):
        data[offset] ^= 0x10
    return change


def cut(size):
    return lambda data: data[:size]


def grow(offset):
    def change(data):
        struct.pack_into("<I", data, offset + 9, 1 << 30)
    return change


def unknown(offset):
    """An event of a type that nobody knows, its checksum right."""
    def change(data):
        data[offset + 4] = 250
        size = struct.unpack_from("<I", data, offset + 9)[0]
        struct.pack_into("<I", data, offset + size - 4,
                         zlib.crc32(bytes(data[offset:offset + size - 4])))
    return change


# What is done at the third row event, what is said, and how many of the rows come.
DAMAGES = {
    "a flipped bit": (
        lambda at: flip(at + 30), r"{file}:{at}: WRITE_ROWS_EVENT_V1: its checksum is wrong", 2),
    "cut off within an event": (
        lambda at: cut(at + 25), r"{file} at {at}: the file ends within an event: it is cut", 2),
    "cut off within a header": (
        lambda at: cut(at + 7), r"{file} at {at}: the file ends within an event's header", 2),
    "cut off between events": (
        lambda at: cut(at), r"{file} at {at}: the file ends within a transaction", 2),
    "a size that can't be": (
        lambda at: grow(at), r"{file} at {at}: the file ends within an event: it is cut off, or"
        " damaged", 2),
    "an unknown event": (
        lambda at: unknown(at), r"unknown event at {file}:{at}: type 250 is not known", 2),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_gives_what_is_whole_and_says_where_and_why(small, damage, figures):
    r, path, found = small
    change, says, count = DAMAGES[damage]
    at = [at for at, kind in found if is_rows(kind)][2]
    damaged(path, change(at))
    done = command("--binlog-file", path)
    assert done.returncode == 3
    pattern = says.format(file=re.escape(os.path.basename(path)), at=at)
    assert re.search(pattern, done.stderr), done.stderr
    rows = [json.loads(line) for line in lines(done.stdout, r.db)]
    assert [row["row"]["id"] for row in rows] == list(range(1, count + 1))
    figures("%s: %s" % (damage, re.search(r"halted: (.*)", done.stderr)[1]))


def test_every_truncation_of_a_file_ends_in_order(small):
    """Never a crash, never half a transaction, and always the offset."""
    r, path, found = small
    with open(path, "rb") as file:
        whole = file.read()
    commits = [at + 31 for at, kind in found if kind == 16]  # XID events, of 31 bytes
    first = [at for at, kind in found if kind == 162][0]
    between = [at for at, _ in found if at <= first] + commits
    for size in range(found[3][0], len(whole), 41):
        with open(path, "wb") as file:
            file.write(whole[:size])
        done = command("--binlog-file", path)
        assert done.returncode == (0 if size in between else 3), (size, done.stderr)
        rows = [json.loads(line) for line in lines(done.stdout, r.db)]
        assert len(rows) == sum(commit <= size for commit in commits), size


def test_what_is_no_binlog_is_refused_by_name(folder):
    cases = {
        "empty": (b"", "is no binlog file"),
        "text": (b"-- MySQL dump\n", "is no binlog file"),
        "encrypted": (b"\xfdbin" + bytes(600), "is encrypted"),
    }
    for name, (content, says) in cases.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        done = command("--binlog-file", path)
        assert done.returncode == 3 and says in done.stderr, done.stderr
    done = command("--binlog-file", folder + "/nowhere")
    assert done.returncode == 3 and "No such file" in done.stderr
    assert command("--binlog-file").returncode == 1
    assert command("--binlog-file", "a", "--until-current").returncode == 1


def test_a_transaction_that_a_crash_cut_off_is_dropped(small, mariadb):
    r, path, found = small
    mariadb.run("INSERT INTO numbers VALUES (6, 'next file')", database=r.db)
    following = binlog_files(mariadb, os.path.dirname(path))[-1]
    at = [at for at, kind in found if kind == 16][4]
    damaged(path, cut(at))
    done = command("--binlog-file", path, following)
    assert done.returncode == 0, done.stderr
    assert "as a server's does that crashed" in done.stderr
    rows = [json.loads(line) for line in lines(done.stdout, r.db)]
    assert [row["row"]["id"] for row in rows] == [1, 2, 3, 4, 6]


@pytest.fixture(params=["mariadb", "mysql", "without GTIDs"])
def three(request, start_server, rig, db, folder):
    """Three binlog files, of one row each: rig, paths."""
    if request.param == "without GTIDs":
        server = start_server(MySQL, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
    else:
        server = request.getfixturevalue(request.param)
    r = rig(server, [numbers(db)], start="current")
    server.run("FLUSH BINARY LOGS", "INSERT INTO numbers VALUES (1, 'a')", "FLUSH BINARY LOGS",
               "UPDATE numbers SET v = 'b'", "FLUSH BINARY LOGS", "UPDATE numbers SET v = 'c'",
               database=db)
    return r, binlog_files(server, folder)[-3:]


@pytest.mark.parametrize("order, says", [
    ([0, 2], "missing between"), ([1, 0], "begins before"), ([0, 0], "begins before"),
    ([0, 1, 0], "begins before"), ([0, 1, 2], None)])
def test_files_that_do_not_follow_one_another_are_refused(three, order, says):
    r, paths = three
    status = r.daemon.run("--binlog-file", *(paths[n] for n in order))
    assert status == (3 if says else 0), r.daemon.log[-1000:]
    rows = [json.loads(line) for line in lines(open(r.daemon.out).read(), r.db)]
    values = [row["row"]["v"] for row in rows]
    if says:
        assert says in r.daemon.log
        assert values == ["a", "b", "c"][order[0]:][:len(values)] and values, "none but in order"
    else:
        assert values == ["a", "b", "c"]


def test_without_gtids_a_file_s_name_has_to_tell_its_place(start_server, rig, db, folder):
    server = start_server(MySQL, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
    r = rig(server, [numbers(db)], start="earliest")
    server.run("FLUSH BINARY LOGS", "INSERT INTO numbers VALUES (1, 'a')", database=db)
    r.daemon.start()
    r.settle()
    r.daemon.stop()
    server.run("INSERT INTO numbers VALUES (2, 'b')", database=db)
    path = binlog_files(server, folder)[-1]
    os.rename(path, folder + "/saved")
    assert r.daemon.run("--binlog-file", folder + "/saved") == 3
    assert "does not tell how it lies to the sink's position" in r.daemon.log
    os.rename(folder + "/saved", path)
    assert r.daemon.run("--binlog-file", path) == 0
    assert r.redis.exists("numbers:2")


def test_a_relay_log_is_refused(start_server, rig, mariadb, mysql, db):
    for source in mariadb, mysql:
        replica = start_server(type(source))
        if source.flavour == "mysql":
            replica.run("CHANGE REPLICATION SOURCE TO source_host='127.0.0.1', source_port=%d,"
                        " source_user='repl', source_password='repl', source_auto_position=1,"
                        " get_source_public_key=1" % source.port, "START REPLICA IO_THREAD")
        else:
            replica.run("CHANGE MASTER TO master_host='127.0.0.1', master_port=%d, master_user="
                        "'repl', master_password='repl'" % source.port, "START SLAVE IO_THREAD")
        data = os.path.join(replica.dir, "data")
        relay = wait_for(lambda: [name for name in os.listdir(data)
                                  if re.search(r"relay-bin\.000002$", name)], "a relay log")[0]
        done = command("--binlog-file", os.path.join(data, relay))
        assert done.returncode == 3 and "is a relay log" in done.stderr, done.stderr


def test_a_file_that_does_not_begin_with_its_format_is_refused(small):
    r, path, found = small
    damaged(path, lambda data: data[:4] + data[found[1][0]:])
    done = command("--binlog-file", path)
    assert done.returncode == 3 and "FORMAT_DESCRIPTION" in done.stderr, done.stderr


def test_a_pipe_is_no_file(folder):
    path = os.path.join(folder, "pipe")
    os.mkfifo(path)
    done = command("--binlog-file", path)
    assert done.returncode == 3 and "no file that can be read twice" in done.stderr, done.stderr
