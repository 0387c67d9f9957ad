# SPDX-License-Identifier: Apache-2.0
"""Where a sink without a position begins, and what the source has to be like."""

import re

import pytest

from harness.servers import MariaDB, MySQL
from harness.tables import Column, Table
from harness.wait import wait_for
from test_command import OK, SOURCE

LOG = {"log": {"plugin": "stdout"}}


@pytest.fixture(params=[MariaDB, MySQL])
def own(request, start_server):
    """A source of the test's own, whose binary log holds only what the test does."""
    return start_server(request.param)


def numbers(db):
    return Table(db, "num", [Column("id", "int", "int", nullable=False)])


def insert(r, *ids):
    for number in ids:
        r.source.run("INSERT INTO `%s`.num VALUES (%d)" % (r.db, number))


def seen(r):
    """The rows of the table, in the order in which stdout had them."""
    return [int(change["row"]["id"].text) for transaction in r.stream().transactions
            for change in transaction.changes if change.get("table") == "num" and "row" in change]


def purge(source):
    """Leaves nothing of the binary log but a new file."""
    source.run("FLUSH BINARY LOGS")
    last = source.file_position().split(":")[0]

    def purged():
        # MariaDB keeps a file for a moment, until the engines have synced what is in it.
        source.run("PURGE BINARY LOGS TO '%s'" % last)
        return len(source.run("SHOW BINARY LOGS")) == 1

    wait_for(purged, "the older binary logs are gone")


@pytest.mark.source
def test_start_earliest_begins_with_the_first_file(own, rig, db):
    r = rig(own, [numbers(db)], start="earliest")
    insert(r, 1, 2)
    own.run("FLUSH BINARY LOGS")
    insert(r, 3)
    assert r.daemon.run("--until-current") == OK
    assert seen(r) == [1, 2, 3]
    r.compare()


@pytest.mark.source
def test_start_earliest_begins_with_the_first_file_that_is_left(own, rig, db):
    r = rig(own, [numbers(db)], start="earliest")
    insert(r, 1, 2)
    purge(own)
    insert(r, 3)
    assert r.daemon.run("--until-current") == OK
    assert seen(r) == [3]


@pytest.mark.source
def test_start_current_begins_with_what_comes_then(own, rig, db):
    r = rig(own, [numbers(db)], start="current")
    insert(r, 1, 2)
    assert r.daemon.run("--until-current") == OK
    assert seen(r) == []
    insert(r, 3)  # while it is away
    assert r.daemon.run("--until-current") == OK
    assert seen(r) == [3]
    r.daemon.start()
    insert(r, 4)
    r.settle()
    r.daemon.stop()
    assert seen(r) == [3, 4]


@pytest.mark.source
@pytest.mark.parametrize("form", ["file_position", "gtids"])
def test_start_at_a_position_begins_right_behind_it(own, form, rig, db):
    r = rig(own, [numbers(db)])
    insert(r, 1, 2)
    r.daemon.sections["source"]["start"] = getattr(own, form)()
    r.daemon.write()
    insert(r, 3)
    own.run("FLUSH BINARY LOGS")
    insert(r, 4)
    r.daemon.start()
    insert(r, 5)
    r.settle()
    r.daemon.stop()
    assert seen(r) == [3, 4, 5]


@pytest.mark.source
def test_a_position_goes_before_start(own, rig, db):
    r = rig(own, [numbers(db)], start="earliest")
    insert(r, 1)
    assert r.daemon.run("--until-current") == OK
    insert(r, 2)
    r.daemon.sections["source"]["start"] = "current"
    r.daemon.write()
    assert r.daemon.run("--until-current") == OK
    assert seen(r) == [1, 2]
    r.compare()


@pytest.mark.source
def test_a_position_that_was_purged_is_final_and_explained(own, rig, db):
    r = rig(own, [numbers(db)], start="earliest")
    insert(r, 1)
    assert r.daemon.run("--until-current") == OK
    insert(r, 2)
    purge(own)
    insert(r, 3)
    status = r.daemon.run("--until-current")
    assert status != OK
    assert re.search("purged|no longer|could not find", r.daemon.log, re.IGNORECASE), r.daemon.log


# What to set on the source, and what is said: the finding and the statement that mends it.
UNFIT = {
    "binlog_format": ("'STATEMENT'", r"binlog_format.*SET GLOBAL binlog_format ?= ?'?ROW"),
}


@pytest.mark.source
@pytest.mark.parametrize("variable", UNFIT)
def test_settings_that_do_not_fit_are_refused_with_the_remedy(source, variable, fastlane):
    value, said = UNFIT[variable]
    source.set_global(**{variable: value})
    daemon = fastlane(source, LOG)
    assert daemon.run(seconds=30) == SOURCE
    assert re.search(said, daemon.log, re.IGNORECASE), daemon.log


@pytest.mark.source
@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_a_source_without_binary_log_is_refused(kind, start_server, fastlane):
    source = start_server(kind, "--skip-log-bin")
    daemon = fastlane(source, LOG)
    assert daemon.run(seconds=30) == SOURCE
    assert re.search(r"log.bin", daemon.log), daemon.log


@pytest.mark.source
def test_missing_grants_are_refused_with_the_statement(source, fastlane):
    source.run("DROP USER IF EXISTS poor@'%'", "CREATE USER poor@'%' IDENTIFIED BY 'poor'")
    daemon = fastlane(source, LOG, user="poor", password="poor")
    assert daemon.run(seconds=30) == SOURCE
    assert re.search(r"GRANT .*REPLICATION SLAVE", daemon.log), daemon.log


@pytest.mark.source
def test_the_sources_own_server_id_is_refused(source, fastlane):
    daemon = fastlane(source, LOG, server_id=source.port)
    assert daemon.run(seconds=30) == SOURCE
    assert re.search(r"server_id", daemon.log), daemon.log


@pytest.mark.source
def test_metadata_that_lacks_names_is_warned_of(source, rig, db):
    source.set_global(binlog_row_metadata="'%s'" % source.least_metadata)
    r = rig(source, [numbers(db)])
    r.daemon.start()
    insert(r, 1)
    r.settle()
    r.compare()
    r.daemon.stop()
    assert re.search(r"SET GLOBAL binlog_row_metadata ?= ?'?FULL", r.daemon.log), r.daemon.log


@pytest.mark.source
@pytest.mark.parametrize("kind,option,replicate", [
    (MariaDB, "--log-slave-updates=OFF", "SET GLOBAL gtid_slave_pos = '7-99-1'"),
    (MySQL, "--log-replica-updates=OFF", "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1'")])
def test_what_a_source_leaves_out_of_its_log_is_warned_of(kind, option, replicate, start_server, fastlane):
    source = start_server(kind, option, "--binlog-ignore-db=left_out")
    said = "it is a replica that does not log what it applies"

    def started():
        daemon = fastlane(source, LOG)
        daemon.start()
        daemon.wait_for(lambda: "reads" in daemon.log, "the source is read")
        daemon.stop()
        return daemon.log

    log = started()
    assert "binlog_ignore_db = left_out" in log and said not in log
    source.run(replicate)
    log = started()
    assert said in log and option[2:].replace("-", "_").replace("=OFF", " = ON") in log


@pytest.mark.source
def test_tcp_without_tls(source, rig, db):
    r = rig(source, [numbers(db)], host="127.0.0.1", port=source.port)
    r.daemon.start()
    insert(r, 1)
    r.settle()
    r.daemon.stop()
