# SPDX-License-Identifier: Apache-2.0
"""Many transactions of every kind, with fastlane following all the while."""

import re
import time

import pytest

from harness import workload

COUNT = 10000


def consecutive(gtids):
    """Checks that GTIDs (0-1-17, or UUID:17) count up by one: none is lost, none comes twice."""
    numbers = [int(re.search(r"\d+$", gtid)[0]) for gtid in gtids]
    for before, after in zip(numbers, numbers[1:]):
        assert after == before + 1, "%d comes behind %d" % (after, before)


@pytest.mark.source
def test_mixed_transactions_end_in_caches_equal_to_the_database(source, rig, db, figures):
    r = rig(source, workload.tables(db, source.flavour))
    r.daemon.start()
    started = time.monotonic()
    load = workload.Workload(source, db, COUNT).start().join()
    made = time.monotonic() - started
    r.settle(120)
    behind = time.monotonic() - started - made
    stream = r.stream()
    rows, values = r.compare(stream=stream)
    consecutive([transaction.gtid for transaction in stream.transactions])
    assert len(stream.transactions) > load.committed * 0.9
    with open(r.daemon.out) as file:
        assert workload.NEVER not in file.read(), "rolled-back work was seen"
    changes = sum(len(transaction.changes) for transaction in stream.transactions)
    r.daemon.stop()
    figures(
        "%d committed, %d rolled back in %.1f s; %d transactions with %d changes seen, the last"
        " after %.2f s; %d rows, %d values compared, 0 differences" % (
            load.committed, load.rolled_back, made, len(stream.transactions), changes, behind,
            rows, values))


@pytest.mark.threads
def test_a_shorter_run_with_a_restart_for_the_thread_checker(mariadb, rig, db):
    r = rig(mariadb, workload.tables(db, "mariadb"))
    r.daemon.start()
    load = workload.Workload(mariadb, db, 1000).start()
    load.wait_done(500)
    r.daemon.stop(30)
    r.daemon.start()
    load.join()
    r.settle(120)
    r.compare(stream=r.stream(repeats=True))
    r.daemon.stop(30)
