# SPDX-License-Identifier: Apache-2.0
"""The source is several servers: a primary and a replica that takes its place."""

import re
import time

import pytest

from harness import workload
from harness.http import get
from harness.monitor import Monitor
from harness.replication import address, catch_up, has_all, hosts, pair, promote, replicate, stop
from harness.reloads import change
from harness.servers import MariaDB, MySQL, free_port
from harness.tables import Column, Table
from harness.wait import wait_for

pytestmark = pytest.mark.source


@pytest.fixture(params=[MariaDB, MySQL])
def servers(request, start_server):
    return pair(start_server, request.param)


def numbers(db):
    return Table(db, "num", [Column("id", "int", "int", nullable=False), Column("n", "int", "int")])


def insert(source, db, *ids, domain=None):
    """Each in a transaction of its own."""
    with source.connect(db) as connection, connection.cursor() as cursor:
        if domain is not None:
            cursor.execute("SET SESSION gtid_domain_id = %d" % domain)
        for number in ids:
            cursor.execute("INSERT INTO num VALUES (%s, %s)", (number, number))


def follow(rig, db, primary, replica, **options):
    """A rig on the primary, which the replica has caught up with."""
    r = rig(primary, options.pop("tables", [numbers(db)]), hosts=hosts(primary, replica), **options)
    catch_up(replica, primary)
    return r


def gtids_seen(r):
    return [transaction.gtid for transaction in r.stream().transactions]


def check_once(r):
    seen = gtids_seen(r)
    assert len(seen) == len(set(seen)), "a GTID came twice"


def refused(r, server):
    """What the log has of the server as a host that won't do."""
    return [line for line in r.daemon.log.splitlines()
            if "can't go on with %s: " % address(server) in line]


def wait_refused(r, server, what):
    r.daemon.wait_for(lambda: any(what in line for line in refused(r, server)),
                      "%s refused for %s" % (address(server), what))


def wait_for_place(port, place, timeout_ms):
    return get(port, "/wait?pos=%s&sink=log&timeout_ms=%d" % (place, timeout_ms)).status


def test_a_promoted_replica_that_has_everything_is_gone_on_with(servers, rig, db, redis, figures):
    primary, replica = servers
    r = follow(rig, db, primary, replica)
    monitor = Monitor(redis.port)
    port = free_port()
    change(r, http={"listen": "127.0.0.1:%d" % port})
    r.daemon.start()
    primary.run(*["FLUSH LOCAL BINARY LOGS"] * 20)
    insert(primary, db, *range(1, 501))
    catch_up(replica, primary)
    place = primary.file_position()
    assert wait_for_place(port, place, 20000) == 200
    primary.kill()
    killed = time.monotonic()
    promote(replica)
    r.source = replica
    # A place of the new one's is not had for one of the old one's that has a higher number.
    r.daemon.wait_log("reads %s " % re.escape(address(replica)))
    assert wait_for_place(port, replica.file_position(), 0) == 408
    insert(replica, db, *range(501, 1001))
    assert wait_for_place(port, replica.file_position(), 20000) == 200
    r.settle()
    took = time.monotonic() - killed
    monitor.close()
    assert monitor.written("num:") == ["num:%d" % n for n in range(1, 1001)]
    r.compare()
    check_once(r)
    assert re.search("reads %s " % address(replica), r.daemon.log)
    r.daemon.stop()
    figures("followed the promoted replica, 500 rows on, %.1f s after the kill" % took)


def test_mixed_transactions_across_a_failover(servers, rig, db):
    primary, replica = servers
    r = follow(rig, db, primary, replica, tables=workload.tables(db, primary.flavour))
    r.daemon.start()
    workload.Workload(primary, db, 1500).start().join()
    catch_up(replica, primary)
    primary.kill()
    promote(replica)
    r.source = replica
    workload.Workload(replica, db, 1500, seed=2).start().join()
    r.settle(120)
    r.compare()
    check_once(r)
    r.daemon.stop()


def test_columns_are_looked_up_at_the_host_in_use(servers, rig, db):
    primary, replica = servers
    for server in servers:
        server.set_least_metadata()
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    insert(primary, db, 1, 2, 3)
    catch_up(replica, primary)
    primary.kill()
    promote(replica)
    r.source = replica
    # Another table than the old primary's: who asks there finds nothing.
    replica.run("ALTER TABLE num ADD extra varchar(20) DEFAULT 'x'", database=db)
    r.tables["num"].columns.append(Column("extra", "varchar(20)", "text"))
    replica.run("INSERT INTO num VALUES (4, 4, 'y')", "UPDATE num SET n = n + 1", database=db)
    r.settle()
    r.compare(sinks=("hot", "pool"))
    r.daemon.stop()


def test_a_replica_that_lacks_what_was_applied_is_refused_by_name(servers, rig, db):
    primary, replica = servers
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    insert(primary, db, 1, 2)
    catch_up(replica, primary)
    stop(replica)
    insert(primary, db, 3)
    r.settle()
    lacking = primary.gtids().split(",")[-1]
    lacking = lacking if primary.flavour == "mariadb" else lacking.split(":")[0]
    primary.kill()
    promote(replica)
    insert(replica, db, 100)
    wait_refused(r, replica, "it lacks " + lacking)
    # It is asked again, in vain, for as long as the primary may come back.
    wait_for(lambda: len(refused(r, replica)) >= 8, "refused again and again")
    primary.start()
    insert(primary, db, 4)
    r.settle()
    r.compare()
    assert not r.redis.exists("num:100")
    assert "halted" not in r.daemon.log
    r.daemon.stop()


def test_when_all_hosts_refuse_the_sinks_halt_and_each_is_named(servers, rig, db):
    primary, replica = servers
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    stop(replica)
    insert(primary, db, 1, 2)
    r.settle()
    r.daemon.stop()
    promote(replica)
    reset = "RESET MASTER" if primary.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS"
    primary.run(reset)
    insert(primary, db, 3)
    assert r.daemon.run() == 4
    halted = [line for line in r.daemon.log.splitlines()
              if "halted: none of the source's hosts can be gone on with" in line]
    assert len(halted) == 3
    for line in halted:
        for server in servers:
            assert address(server) + ": the source does not have all of the" in line, line
    assert not r.redis.exists("num:3")


def test_a_replica_that_is_only_a_moment_behind_is_waited_for(servers, rig, db):
    """The primary is gone, and what was applied is still on its way to the replica."""
    primary, replica = servers
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    lock = replica.connect()
    with lock.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")  # it receives, and can't apply
    insert(primary, db, 1, 2)
    r.settle()
    gtids = primary.gtids()

    def received():
        word = "SLAVE" if replica.flavour == "mariadb" else "REPLICA"
        status = replica.run("SHOW %s STATUS" % word)[0]
        return gtids in [str(value).replace("\n", "") for value in status]

    wait_for(received, "the replica has received " + gtids)
    primary.kill()
    wait_refused(r, replica, "it lacks ")
    lock.close()
    wait_for(lambda: has_all(replica, gtids), "the replica has " + gtids)
    promote(replica)
    r.source = replica
    insert(replica, db, 3)
    r.settle()
    r.compare()
    check_once(r)
    r.daemon.stop()


def test_an_old_primary_with_transactions_of_its_own_is_not_used(servers, rig, db):
    primary, replica = servers
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    insert(primary, db, 1, 2)
    r.settle()
    catch_up(replica, primary)
    r.daemon.stop()
    stop(replica)
    insert(primary, db, 666, 667)  # nobody but the primary knows
    primary.kill()
    promote(replica)
    r.source = replica
    r.daemon.start()
    insert(replica, db, 3, 4)
    r.settle()
    # It comes back, and is the first of the list: for a new process ...
    primary.start()
    r.daemon.stop()
    r.daemon.start()
    wait_refused(r, primary, "it lacks ")
    insert(replica, db, 5)
    r.settle()
    # ... and for one that has lost its connection.
    before = len(refused(r, primary))
    for row in replica.run("SHOW PROCESSLIST"):
        if row[4].startswith("Binlog Dump"):
            replica.run("KILL %s" % row[0])
    r.daemon.wait_for(lambda: len(refused(r, primary)) > before, "the old primary refused again")
    insert(primary, db, 668)
    insert(replica, db, 6)
    r.settle()
    r.compare()
    for number in (666, 667, 668):
        assert not r.redis.exists("num:%d" % number)
    check_once(r)
    r.daemon.stop()


def test_several_domains_across_a_failover(rig, db, start_server, redis):
    primary, replica = pair(start_server, MariaDB)
    r = follow(rig, db, primary, replica)
    monitor = Monitor(redis.port)
    r.daemon.start()
    for start in range(1, 300, 3):
        for domain in (0, 1, 2):
            insert(primary, db, start + domain, domain=domain)
    catch_up(replica, primary)
    primary.kill()
    promote(replica)
    r.source = replica
    for start in range(301, 400, 3):
        for number, domain in enumerate((2, 0, 5)):
            insert(replica, db, start + number, domain=domain)
    r.settle()
    monitor.close()
    written = monitor.written("num:")
    assert len(written) == len(set(written)) == 300 + 99
    r.compare()
    check_once(r)
    r.daemon.stop()


def test_a_domain_that_a_host_lacks_altogether_is_noticed(rig, db, start_server):
    """MariaDB itself would pass over it."""
    primary, replica = pair(start_server, MariaDB)
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    insert(primary, db, 1, 2)
    catch_up(replica, primary)
    stop(replica)
    insert(primary, db, 3, domain=7)
    r.daemon.wait_for(lambda: r.redis.exists("num:3"), "num:3 in Redis")
    primary.kill()
    promote(replica)
    insert(replica, db, 100)
    wait_refused(r, replica, "it lacks 7-%d-1." % primary.port)
    assert not r.redis.exists("num:100")
    r.daemon.stop()


def test_a_host_whose_data_are_younger_than_the_position_is_refused(rig, db, start_server):
    """A replica that was made of a copy has no binlog of what was before it."""
    primary = start_server(MariaDB, "--log-slave-updates=ON")
    copy = start_server(MariaDB, "--log-slave-updates=ON")
    r = rig(primary, [numbers(db)], hosts=hosts(primary, copy))
    r.daemon.start()
    insert(primary, db, 1)
    r.settle()
    r.daemon.stop()
    insert(primary, db, 2, 3)  # this is what nobody would see
    copy.run("SET SESSION sql_log_bin = 0", "CREATE DATABASE `%s`" % db, "USE `%s`" % db,
             *(line for table in (*r.tables.values(), r.marker) for line in table.statements()
               if "CREATE" in line))
    copy.run("SET SESSION sql_log_bin = 0", "INSERT INTO num VALUES (1, 1), (2, 2), (3, 3)",
             "INSERT INTO marker VALUES (1)", database=db)
    copy.set_global(gtid_slave_pos="'%s'" % primary.gtids())
    replicate(copy, primary)
    insert(primary, db, 4)
    catch_up(copy, primary)
    primary.kill()
    promote(copy)
    r.daemon.start()
    r.daemon.wait_for(lambda: refused(r, copy), "the copy refused")
    insert(copy, db, 5)
    primary.start()
    r.settle()
    assert not r.redis.exists("num:5")
    r.compare()
    r.daemon.stop()


@pytest.mark.parametrize("kind, off", [(MariaDB, "--log-slave-updates=OFF"),
                                       (MySQL, "--log-replica-updates=OFF")])
def test_a_replica_that_does_not_log_what_it_replicates_is_refused(
        kind, off, rig, db, start_server):
    primary, replica = pair(start_server, kind, off)
    r = rig(primary, [numbers(db)], hosts=hosts(primary, replica))
    r.daemon.start()
    insert(primary, db, 1)
    r.settle()
    wait_for(lambda: replica.run("SELECT * FROM `%s`.num" % db), "the row in the replica")
    primary.kill()
    wait_refused(r, replica, "does not log what it applies")
    primary.start()
    insert(primary, db, 2)
    r.settle()
    r.compare()
    r.daemon.stop()


@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_a_host_that_does_not_log_rows_is_refused(kind, rig, db, start_server):
    primary, replica = pair(start_server, kind)
    r = follow(rig, db, primary, replica)
    r.daemon.start()
    insert(primary, db, 1)
    r.settle()
    catch_up(replica, primary)
    stop(replica)
    replica.set_global(binlog_format="'STATEMENT'")
    primary.kill()
    wait_refused(r, replica, "SET GLOBAL binlog_format = 'ROW'")
    replica.set_global(binlog_format="'ROW'")
    promote(replica)
    r.source = replica
    insert(replica, db, 2)
    r.settle()
    r.compare()
    r.daemon.stop()


def test_a_first_host_that_is_dead_at_the_start_is_passed_over(servers, rig, db):
    primary, replica = servers
    r = follow(rig, db, primary, replica)
    primary.kill()
    promote(replica)
    r.source = replica
    r.daemon.start()
    insert(replica, db, 1, 2)
    r.settle()
    r.compare()
    r.daemon.stop()


# Without GTIDs.

WITHOUT = ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")


@pytest.fixture
def two_without(start_server):
    """Two servers that know nothing of each other."""
    return start_server(MySQL, *WITHOUT), start_server(MySQL, *WITHOUT)


def identity(server):
    return server.value("SELECT @@server_uuid")


def follow_one(rig, db, server):
    r = rig(server, [numbers(db)], start="earliest", hosts=hosts(server))
    r.daemon.start()
    insert(server, db, 1, 2)
    r.settle()
    r.daemon.stop()
    return r


def test_another_server_is_refused_after_a_restart(two_without, rig, db):
    one, other = two_without
    r = follow_one(rig, db, one)
    other.run("CREATE DATABASE `%s`" % db, *numbers(db).statements())
    insert(other, db, 100)
    r.daemon.sections["source"]["hosts"] = hosts(other)
    r.daemon.write()
    assert r.daemon.run() == 4
    for sink in ("hot", "pool", "log"):
        assert re.search(
            r"\[%s\] halted: the source is the server %s, but the position, .* is one of the server "
            r"%s, and has no GTIDs" % (sink, identity(other), identity(one)), r.daemon.log)
    assert not r.redis.exists("num:100")


def test_of_several_hosts_only_the_one_of_the_position_is_used(two_without, rig, db):
    one, other = two_without
    r = follow_one(rig, db, one)
    r.daemon.sections["source"]["hosts"] = hosts(other, one)
    r.daemon.write()
    r.daemon.start()
    wait_refused(r, other, "is one of the server " + identity(one))
    insert(one, db, 3)
    r.settle()
    r.compare()
    r.daemon.stop()


def test_positions_of_old_that_do_not_say_whose_they_are_still_load(two_without, rig, db):
    one, _ = two_without
    r = follow_one(rig, db, one)
    key = "fastlane:position:hot"
    kept = r.redis.get(key)
    assert b" server=%s " % identity(one).encode() in kept
    r.redis.set(key, re.sub(rb" server=\S+", b"", kept))
    r.daemon.start()
    insert(one, db, 3)
    r.settle()
    r.compare()
    assert b" server=%s " % identity(one).encode() in r.redis.get(key)
    r.daemon.stop()
