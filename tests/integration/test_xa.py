# SPDX-License-Identifier: Apache-2.0
"""XA transactions: their rows wait for XA COMMIT, wherever fastlane is stopped in between."""

import random
import re

import pytest

from harness.servers import MariaDB
from harness.tables import Column, Table
from harness.wait import wait_for


def numbers(db):
    return Table(db, "numbers", [Column("id", "int", "int", nullable=False),
                                 Column("v", "varchar(20)", "text")])


def prepare(r, name, number):
    """Leaves a prepared transaction behind: its session ends."""
    r.source.run("XA START '%s'" % name, "INSERT INTO numbers VALUES (%d, '%s')" % (number, name),
                 "XA END '%s'" % name, "XA PREPARE '%s'" % name, database=r.db)


def decide(r, verb, name):
    def done():
        if any(name in str(row) for row in r.source.run("XA RECOVER")):
            return r.source.run("XA %s '%s'" % (verb, name)) is not None
    wait_for(done, "the session that prepared %s has ended" % name)


def inserted(r):
    """The rows' numbers, in the order of the stream."""
    with open(r.daemon.out) as file:
        return [int(n) for n in re.findall(
            r'"table":"numbers","op":"insert".*?"row":{"id":(\d+)', file.read())]


@pytest.mark.source
def test_one_phase(source, rig, db):
    r = rig(source, [numbers(db)])
    r.daemon.start()
    source.run("XA START 'one'", "INSERT INTO numbers VALUES (1, 'one')", "XA END 'one'",
               "XA COMMIT 'one' ONE PHASE", database=db)
    r.settle()
    assert r.compare()[0] == 3
    r.daemon.stop()


@pytest.mark.source
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_rows_that_were_prepared_before_a_restart_arrive_with_their_commit(source, end, rig, db):
    r = rig(source, [numbers(db)])
    r.daemon.start()
    prepare(r, "early", 1)
    source.run("INSERT INTO numbers VALUES (2, 'plain')", database=db)
    prepare(r, "dropped", 3)
    prepare(r, "later", 4)
    r.settle()
    assert r.redis.keys("numbers:*") == [b"numbers:2"]
    getattr(r.daemon, end)()
    decide(r, "ROLLBACK", "dropped")
    r.source.run("INSERT INTO numbers VALUES (5, 'plain')", database=db)
    r.daemon.start()
    r.settle()
    assert sorted(r.redis.keys("numbers:*")) == [b"numbers:2", b"numbers:5"]
    decide(r, "COMMIT", "early")
    r.settle()
    r.daemon.stop()
    decide(r, "COMMIT", "later")
    r.daemon.start()
    r.settle()
    stream = r.stream(repeats=end == "kill")
    assert r.compare(stream=stream)[0] == 3 * 4
    assert not stream.doubts
    r.daemon.stop()
    # All are decided: nothing is held any more.
    assert b" 1 pos=" in r.redis.get("fastlane:position:hot")


def test_a_commit_of_what_concerns_no_mapped_table_clears_nothing(source, rig, db):
    r = rig(source, [numbers(db)])
    del r.daemon.sections["sink:log"]  # which takes every table's changes
    r.daemon.write()
    source.run("CREATE TABLE other (id int primary key)", "INSERT INTO numbers VALUES (1, 'a')",
               database=db)
    r.daemon.start()
    source.run("XA START 'x'", "INSERT INTO other VALUES (1)", "XA END 'x'", "XA PREPARE 'x'",
               "XA COMMIT 'x'", database=db)
    r.settle(sinks=("hot", "pool"))
    assert r.compare(sinks=("hot", "pool"))[0] == 2
    r.daemon.stop()


def test_a_prepared_transaction_whose_binlog_is_gone_is_a_doubt(source, rig, db, start_server):
    server = start_server(type(source))
    r = rig(server, [numbers(db)])
    r.daemon.start()
    server.run("INSERT INTO numbers VALUES (1, 'plain')", database=db)
    prepare(r, "early", 2)
    server.run("FLUSH BINARY LOGS")
    r.settle()
    r.daemon.stop()
    server.run("FLUSH BINARY LOGS")
    last = server.file_position().split(":")[0]
    verb = "PURGE BINARY LOGS TO '%s'"
    wait_for(lambda: server.run(verb % last) is not None and
             len(server.run("SHOW BINARY LOGS")) == 1, "the old binlog is purged")
    r.daemon.start()
    r.daemon.wait_log("can't be read again, and their XA COMMIT will be a doubt")
    r.settle()
    decide(r, "COMMIT", "early")
    r.settle()
    assert not r.redis.exists("numbers:1"), "what may have changed is forgotten"
    r.compare(sinks=("hot", "pool"), all_there=False)
    assert len(r.stream().doubts) == 1
    r.daemon.stop()


def test_random_prepares_commits_rollbacks_and_restarts(source, rig, db, figures):
    chance = random.Random("xa")
    r = rig(source, [numbers(db)])
    r.daemon.start()
    open_ones, number = [], 0
    for step in range(60):
        number += 1
        roll = chance.random()
        if roll < 0.35:
            open_ones.append("x%d" % number)
            prepare(r, open_ones[-1], number)
        elif roll < 0.75 and open_ones:
            name = open_ones.pop(chance.randrange(len(open_ones)))
            decide(r, chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]), name)
        else:
            source.run("INSERT INTO numbers VALUES (%d, 'plain')" % number, database=db)
        if step % 12 == 11:
            # It has to be there before it can be stopped in order.
            r.daemon.wait_for(lambda: r.daemon.log.count("sinks\n") == 1 + step // 12, "it runs")
            chance.choice([r.daemon.stop, r.daemon.kill])()
            r.daemon.start()
    for name in open_ones:
        decide(r, "COMMIT", name)
    r.settle()
    stream = r.stream(repeats=True)
    rows, values = r.compare(stream=stream)
    assert not stream.doubts
    r.daemon.stop()
    figures("%d rows, %d values compared, 0 differences" % (rows, values))


def test_sequence_numbers_that_go_back_are_neither_lost_nor_repeated(start_server, rig, db):
    """Without gtid_strict_mode a domain's numbers need not rise."""
    server = start_server(MariaDB, "--gtid-strict-mode=OFF")
    r = rig(server, [numbers(db)])
    r.daemon.start()
    prepare(r, "early", 1)
    server.run("INSERT INTO numbers VALUES (2, 'high')",
               "SET SESSION gtid_seq_no = 1000", "INSERT INTO numbers VALUES (3, 'higher')",
               "SET SESSION gtid_seq_no = 500", "INSERT INTO numbers VALUES (4, 'back')",
               database=db)
    r.settle()
    r.daemon.stop()
    r.daemon.start()
    r.settle()
    server.run("SET SESSION gtid_seq_no = 2000", "INSERT INTO numbers VALUES (5, 'highest')",
               database=db)
    r.settle()
    server.run("SET SESSION gtid_seq_no = 100", "INSERT INTO numbers VALUES (6, 'low')",
               database=db)
    r.daemon.stop()
    server.run("SET SESSION gtid_seq_no = 200", "INSERT INTO numbers VALUES (7, 'low')",
               database=db)
    r.daemon.start()
    decide(r, "COMMIT", "early")
    r.settle()
    r.daemon.stop()
    ids = inserted(r)
    assert sorted(ids) == [1, 2, 3, 4, 5, 6, 7], "each once"
    assert r.compare(sinks=("hot", "pool"))[0] == 2 * 7


@pytest.fixture
def replica(start_server):
    """A MariaDB and its replica, both with binlogs of the same GTIDs."""
    primary, second = start_server(MariaDB), start_server(MariaDB, "--log-slave-updates")
    second.run("CHANGE MASTER TO master_host='127.0.0.1', master_port=%d, master_user='repl',"
               " master_password='repl', master_use_gtid=slave_pos" % primary.port, "START SLAVE")

    def catch_up():
        wait_for(lambda: second.gtids() == primary.gtids(), "the replica has caught up")
        second.run("STOP SLAVE")
    return primary, second, catch_up


def test_a_promoted_replica_with_its_domains_in_another_order(replica, rig, db):
    primary, second, catch_up = replica
    r = rig(primary, [numbers(db)])
    r.daemon.start()
    prepare(r, "early", 1)
    catch_up()
    number = int(primary.gtids().split("-")[2])
    primary.run("INSERT INTO numbers VALUES (2, 'zero')", "SET SESSION gtid_domain_id = 1",
                "INSERT INTO numbers VALUES (3, 'one')", database=db)
    r.daemon.wait_for(lambda: r.redis.exists("numbers:3"), "both are there")
    r.daemon.stop()
    for domain, seq, row in (1, 1, 3), (1, 2, 4), (0, number + 1, 2), (0, number + 2, 5):
        second.run("SET SESSION server_id = %d" % primary.port,
                   "SET SESSION gtid_domain_id = %d" % domain, "SET SESSION gtid_seq_no = %d" % seq,
                   "INSERT INTO numbers VALUES (%d, 'row')" % row, database=db)
    r.source = second
    r.daemon.sections["source"]["socket"] = second.socket
    r.daemon.write()
    r.daemon.start()
    decide(r, "COMMIT", "early")
    r.settle()
    r.daemon.stop()
    ids = inserted(r)
    assert ids == [2, 3, 4, 5, 1], "each once"


def test_a_promoted_replica_that_lacks_what_was_applied_is_refused(replica, rig, db):
    primary, second, catch_up = replica
    r = rig(primary, [numbers(db)])
    r.daemon.start()
    prepare(r, "early", 1)
    catch_up()
    primary.run("INSERT INTO numbers VALUES (2, 'lost')", "INSERT INTO numbers VALUES (3, 'lost')",
                database=db)
    r.daemon.wait_for(lambda: r.redis.exists("numbers:3"), "both are there")
    r.daemon.stop()
    second.run(*("INSERT INTO numbers VALUES (%d, 'other')" % n for n in range(4, 9)), database=db)
    r.daemon.sections["source"]["socket"] = second.socket
    r.daemon.write()
    assert r.daemon.run(seconds=60) == 4, "halted"
    assert not r.redis.exists("numbers:8"), "nothing behind what is lacking"
