# SPDX-License-Identifier: Apache-2.0
"""XA transactions: their rows wait for XA COMMIT, wherever fastlane is stopped in between."""

import random

import pytest

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
    assert r.redis.get("fastlane:position:hot").startswith(b"1 ")


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
