# SPDX-License-Identifier: Apache-2.0
"""Readers of a cache, while everything is killed around it: the total is always the same and no
number ever falls. And that all of this would be found if it were not so."""

import glob
import os

import pytest

from harness import bank
from harness.proof import Logged, RedisProof, StreamProof, check_falls, commands
from harness.servers import MariaDB, MemcachedServer, MySQL, Redis
from harness.wait import wait_for

ON_DISK = ("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")


def append_only_file(redis):
    (path,) = glob.glob(redis.dir + "/data/appendonlydir/*.incr.aof")
    return path


def proofs(r, redis):
    stream = StreamProof(r.daemon.out, [(0, 0)])
    return stream, RedisProof(append_only_file(redis), "fastlane:position:hot", stream.ledger)


@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_readers_see_whole_transactions_and_find_those_that_are_not(
        kind, rig, db, start_server, figures):
    """One daemon and one load, two Redis: the second one's sink writes key by key."""
    source, redis, other = start_server(kind), start_server(Redis, *ON_DISK), start_server(Redis)
    memcached = start_server(MemcachedServer)
    r = rig(source, bank.tables(db), redis=redis, memcached=memcached,
            sinks={"control": {"plugin": "keywise", "port": other.port}})
    r.daemon.start()
    r.settle()
    readers = [bank.RedisReader(redis, how) for how in ("multi", "script")]
    controls = [bank.RedisReader(other, how) for how in ("multi", "script")]
    load = bank.Bank(source, db, rate=400).start()
    try:
        def more():
            """Until each reader has read again, and again."""
            seen = [(reader, reader.reads + 50) for reader in readers]
            r.daemon.wait_for(lambda: all(reader.reads > reads or reader.failure
                                          for reader, reads in seen), "more reads")
        for _ in range(3):
            r.daemon.kill()
            r.daemon.start()
            more()
            for server in (redis, memcached, source):
                server.kill()
                server.start()
                more()
        wait_for(lambda: all(control.wrong for control in controls), "a wrong total in the control")
    finally:
        load.stop()
        for reader in readers + controls:
            reader.stop()
    assert not readers[0].wrong and not readers[1].wrong, (readers[0].wrong + readers[1].wrong)[:3]
    r.reconnect()
    r.settle()
    r.compare(stream=r.stream(repeats=True), sinks=("hot", "log"))
    r.daemon.stop()
    figures("%d transactions, %d reads: none wrong; of the control's %d, %d" % (
        load.committed, sum(reader.reads for reader in readers),
        sum(control.reads for control in controls),
        sum(len(control.wrong) for control in controls)))


@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_a_redis_that_lost_its_last_writes_is_healed_in_order(kind, rig, db, start_server):
    source, redis = start_server(kind), start_server(Redis, *ON_DISK)
    r = rig(source, bank.tables(db), redis=redis)
    r.daemon.start()
    r.settle()
    losses = 0
    told = bank.RedisReader(redis, "multi", lambda: losses)
    untold = bank.RedisReader(redis, "script")
    load = bank.Bank(source, db).start()
    try:
        for _ in range(3):
            ledger = load.committed
            r.daemon.wait_for(lambda: load.committed > ledger + 100, "100 transactions")
            # Alone with its readers, so that they see what it came back with.
            r.daemon.signal(19)
            reads = untold.reads
            wait_for(lambda: untold.reads > reads + 2, "reads")
            redis.kill()
            os.truncate(append_only_file(redis), os.path.getsize(append_only_file(redis)) - 9999)
            losses += 1
            redis.start()
            wait_for(lambda: any("fell" in text for text in untold.wrong), "a fall")
            untold.wrong.clear()
            r.daemon.signal(18)
            r.reconnect()
            r.settle()
    finally:
        load.stop()
        told.stop()
        untold.stop()
    assert not told.wrong, told.wrong[:3]
    r.settle()
    r.compare()
    stream, proof = proofs(r, redis)
    assert proof.applied == len(stream.ledger) == load.committed
    r.daemon.stop()


def falsified(path, change):
    """The append-only file's batches, changed, as another file."""
    with open(path, "rb") as file:
        batches, batch = [], []
        for words in commands(file):
            batch.append(words)
            if len(batch) == 1 and words[0].upper() != b"MULTI" or words[0].upper() == b"EXEC":
                batches.append(batch)
                batch = []
    # Some where the position really moves, behind the first ones, which fill the tables.
    full = [i for i, some in enumerate(batches) if any(b"ledger:" in words[1] for words in some[1:-1])]
    change(batches, full[len(full) // 2])
    with open(path + ".false", "wb") as file:
        for words in (words for some in batches for words in some):
            file.write(b"*%d\r\n" % len(words))
            file.writelines(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    return path + ".false"


def twice(batches, at):
    batches.insert(at, batches[at])


def missing(batches, at):
    del batches[at]


def swapped(batches, at):
    batches[at], batches[at + 1] = batches[at + 1], batches[at]


def without_one(batches, at, prefix):
    del batches[at][next(i for i, words in enumerate(batches[at]) if prefix in b"".join(words[1:2]))]


def torn(batches, at):
    without_one(batches, at, b"purse:")


def one_row_lacks(batches, at):
    without_one(batches, at, b"ledger:")


def test_the_proofs_find_what_is_wrong(mariadb, rig, db, start_server):
    redis = start_server(Redis, *ON_DISK)
    r = rig(mariadb, bank.tables(db), redis=redis)
    r.daemon.start()
    load = bank.Bank(mariadb, db, rate=1000).start()
    wait_for(lambda: load.committed > 300, "300 transactions")
    load.stop()
    r.settle()
    r.daemon.stop()
    start = r.daemon.sections["source"]["start"]
    place = 0 if start == "earliest" else int(start.split("-")[-1])
    stream = StreamProof(r.daemon.out, [(0, place)])
    path = append_only_file(redis)
    ledger = stream.ledger
    assert RedisProof(path, "fastlane:position:hot", ledger).applied == len(ledger)
    assert RedisProof(falsified(path, lambda batches, at: None),
                      "fastlane:position:hot", ledger).applied == len(ledger)
    for change in (twice, missing, swapped, torn, one_row_lacks):
        with pytest.raises(AssertionError):
            RedisProof(falsified(path, change), "fastlane:position:hot", ledger)

    with open(r.daemon.out, "rb") as file:
        lines = file.readlines()
    middle = next(i for i in range(len(lines) // 2, len(lines)) if b'"commit":true' in lines[i])
    after = next(i for i in range(middle + 1, len(lines)) if b'"commit":true' in lines[i])
    for false in (
            lines[:middle + 1] + lines[after + 1:],                           # one is missing: no start
            lines[:after + 1] + lines[middle + 1:],                           # one comes twice
            lines[:middle + 1] + lines[after + 1:] + lines[middle + 1:after + 1]):  # one comes late
        with open(r.daemon.out + ".false", "wb") as file:
            file.writelines(false)
        if len(false) < len(lines):
            found = StreamProof(r.daemon.out + ".false", [(0, place)])
            assert found.ledger.keys() != ledger.keys() or found.transactions < stream.transactions
        else:
            with pytest.raises(AssertionError):
                StreamProof(r.daemon.out + ".false", [(0, place)])
    # A run that begins too late, or whose position is ahead of what was written.
    half = sum(map(len, lines[:middle + 1]))
    number = max(stream.segments[0][:1])
    with pytest.raises(AssertionError):
        StreamProof(r.daemon.out, [(0, place), (half, number)])
    with pytest.raises(AssertionError):
        StreamProof(r.daemon.out, [(0, place), (half, stream.segments[0][-1])])

    # A fall without a restart, a failed write, or a reason.
    (key, n), number = max(stream.ticks.items(), key=lambda item: item[1])
    fall = [(100.0, 99.0, key, n, n - 1)]
    with pytest.raises(AssertionError):
        check_falls(fall, stream.ticks, [(0.0, place)], Logged(""))
    with pytest.raises(AssertionError):
        check_falls(fall, stream.ticks, [(99.5, number)], Logged(""))
    check_falls(fall, stream.ticks, [(99.5, place)], Logged(""))
    failed = Logged("1970-01-01T00:01:39.500Z warn  [pool] a write failed at 127.0.0.1:1: gone")
    check_falls(fall, stream.ticks, [(0.0, place)], failed)
