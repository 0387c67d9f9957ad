# SPDX-License-Identifier: Apache-2.0
"""What can be proven afterwards of what reached the sinks: from the stream that stdout wrote, and from
the append-only file, in which Redis keeps every command it has executed, in order."""

import bisect
import calendar
import json
import re
import time

from .bank import PURSES, TOTAL

GTID = re.compile(r"gtid=(\S+)")
LINE = re.compile(rb'"gtid":"([^"]+)"')
TICK = re.compile(rb'"table":"tick".*"row":\{"id":(\d+),"n":(\d+)\}')
LEDGER = re.compile(rb'"table":"ledger".*"key":\{"id":(\d+)\}')


def last_number(gtids):
    """Of a source that had no other but itself to replicate from: transactions are numbered in the
    order of their commits, 0-1-42 or UUID:1-42."""
    return int(re.search(r"(\d+)$", gtids)[1])


class Place:
    """A stored position: compares by what it covers."""

    def __init__(self, text):
        found = GTID.search(text)
        self.number = last_number(found[1]) if found else 0
        file, offset = re.search(r"file=(\S+)", text), re.search(r"pos=(\d+)", text)
        self.order = (self.number, file[1] if file else "", int(offset[1]) if offset else 0)


class StreamProof:
    """Everything that stdout wrote. `starts`: for each start of fastlane the stream's size and the
    position that it had to begin behind, as a number. `may_repeat`: writes may have failed, so that
    a batch came again."""

    def __init__(self, path, starts, may_repeat=False):
        self.may_repeat = may_repeat
        self.segments = [[] for _ in starts]
        self.ticks = {}    # (id, n) -> number of the transaction
        self.ledger = {}   # id -> number
        self.torn = 0
        with open(path, "rb") as file:
            for index, (offset, _) in enumerate(starts):
                file.seek(offset)
                end = starts[index + 1][0] if index + 1 < len(starts) else float("inf")
                self.read(file, end - offset, self.segments[index])
        self.check(starts)

    def read(self, file, left, segment):
        """`left`: bytes of the segment; what a kill cut off has no line break in it."""
        number, ticks, ledger = None, [], []
        while left > 0:
            line = file.readline()
            if not line:
                return
            left -= len(line)
            try:
                json.loads(line)
            except ValueError:
                self.torn += line != b"\n"
                continue
            own = last_number(LINE.search(line)[1].decode())
            if own != number:
                number, ticks, ledger = own, [], []
            found = TICK.search(line)
            if found:
                ticks.append((int(found[1]), int(found[2])))
            found = LEDGER.search(line)
            if found:
                ledger.append(int(found[1]))
            if b'"commit":true' in line:
                segment.append(number)
                for tick in ticks:
                    self.ticks.setdefault(tick, number)
                for row in ledger:
                    assert self.ledger.setdefault(row, number) == number, row
                number = None

    def check(self, starts):
        """Each run of fastlane goes on right behind the position that it found, and leaves nothing
        out; no position was ever ahead of what is written."""
        every = sorted({number for segment in self.segments for number in segment})
        written = 0
        self.repeated = 0
        for segment, (_, place) in zip(self.segments, starts):
            assert place <= written or not written, \
                "the position says %d, and only %d was written" % (place, written)
            if segment and self.may_repeat:
                segment = self.without_repeats(segment)
            if segment:
                at = bisect.bisect_right(every, place)
                expected = every[at:at + len(segment)]
                assert segment == expected, "behind %d came %r, not %r" % (
                    place, *next((segment[i:i + 3], expected[i:i + 3]) for i in range(len(segment))
                                 if segment[i:i + 1] != expected[i:i + 1]))
                self.repeated += bisect.bisect_right(every, written) - at
                written = max(written, segment[-1])
        self.transactions = len(every)

    @staticmethod
    def without_repeats(segment):
        """What came again has to go on from there without a gap."""
        once = []
        for number in segment:
            if once and number <= once[-1]:
                once = once[:bisect.bisect_left(once, number)]
            once.append(number)
        return once


def commands(file):
    """Each command of an append-only file: a list of its words. An MSET is as many SETs, and a DEL of
    several keys as many of one."""
    for line in file:
        assert line[:1] == b"*", line
        words = []
        for _ in range(int(line[1:])):
            size = file.readline()
            assert size[:1] == b"$", size
            words.append(file.read(int(size[1:]) + 2)[:-2])
        name = words[0].upper()
        if name == b"MSET":
            yield from ([b"SET", *words[i:i + 2]] for i in range(1, len(words), 2))
        elif name == b"DEL":
            yield from ([b"DEL", key] for key in words[1:])
        else:
            yield words


class RedisProof:
    """Follows what Redis kept: the position moves forward with every batch and never else, and each
    batch brings exactly the ledger's rows of the transactions between its position and the last
    one's; at each batch's end the total is right and no tick has fallen."""

    def __init__(self, path, position_key, ledger):
        self.key = position_key.encode()
        self.rows = sorted((number, row) for row, number in ledger.items())
        self.place, self.owner = None, 0
        self.values, self.ticks = {}, {}
        self.batches = self.takeovers = self.applied = 0
        with open(path, "rb") as file:
            batch = None
            for words in commands(file):
                name = words[0].upper()
                if name == b"MULTI":
                    batch = []
                elif name == b"EXEC":
                    self.batch(batch)
                    batch = None
                elif batch is not None:
                    batch.append(words)
                elif name != b"SELECT":
                    self.batch([words])
        assert batch is None, "a transaction was cut off"

    def batch(self, batch):
        last = batch[-1]
        if last[0].upper() in (b"PEXPIREAT", b"PERSIST") and last[1] == self.key:
            return  # what keeps a batch from being applied
        assert last[0].upper() == b"SET" and last[1] == self.key, "without a position: %r" % batch
        mark, text = last[2].decode().split(" ", 1)
        owner, number = (int(part) for part in re.fullmatch(r"owner=(\d+)/(\d+)", mark).groups())
        assert owner >= self.owner, "the owner before is back: %s" % mark
        self.owner = owner
        if number == 0:
            assert len(batch) == 1, batch
            self.takeovers += 1
            if text:
                place = Place(text)
                assert self.place is None or place.order == self.place.order, text
            return
        place = Place(text)
        before = self.place or Place(text.replace("gtid=", "was="))
        # Only the parts of a large transaction leave it where it is, and a look at an idle Redis.
        parts = len(batch) == 1 or any(words[1].startswith(b"bulk:") for words in batch)
        if self.place is not None:
            assert place.order > before.order or (parts and place.order == before.order), \
                "from %r to %r" % (before.order, place.order)
        rows = []
        for words in batch[:-1]:
            key = words[1].decode()
            if words[0].upper() == b"SET":
                self.set(key, words[2])
                if key.startswith("ledger:"):
                    rows.append(int(key.split(":")[1]))
            else:
                assert words[0].upper() == b"DEL", words
                self.values.pop(key, None)
        first = bisect.bisect_right(self.rows, (before.number, float("inf")))
        behind = bisect.bisect_right(self.rows, (place.number, float("inf")))
        expected = sorted(row for _, row in self.rows[first:behind])
        assert sorted(rows) == expected, "from %d to %d: %r, not %r" % (
            before.number, place.number, sorted(rows), expected)
        purses = [n for key, n in self.values.items() if key.startswith("purse:")]
        assert not purses or (len(purses) == PURSES and sum(purses) == TOTAL), self.values
        self.place = place
        self.batches += 1
        self.applied += len(rows)

    def set(self, key, value):
        table = key.split(":")[0]
        if table == "purse":
            self.values[key] = json.loads(value)["n"]
        elif table == "tick":
            n = json.loads(value)["n"]
            assert n >= self.ticks.get(key, 0), "%s falls to %d" % (key, n)
            self.ticks[key] = n


class Logged:
    """The log's lines with their times, as clock times."""

    def __init__(self, text):
        self.lines = []
        for line in text.splitlines():
            found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{3})Z (\w+) *(.*)", line)
            if found:
                at = calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) + float(found[2])
                self.lines.append((at, found[3], found[4]))

    def first(self, pattern, since, until):
        """Seconds from `since` to the first such warning or error; None if there is none."""
        start = bisect.bisect_left(self.lines, (since,))
        for at, level, text in self.lines[start:]:
            if at > until:
                return None
            if level in ("warn", "error") and re.search(pattern, text):
                return at - since
        return None


def check_falls(falls, ticks, starts, logged):
    """memcached keeps no position: what was in flight or not yet saved comes again. So a tick may
    fall if fastlane was started anew since the greater number was written, to no lower than behind
    the saved position; or if a write has failed since, by no more than the batch that comes again.
    `starts`: (time, number)."""
    for at, since, key, before, to in falls:
        own = "tick:%d fell from %d to %d" % (key, before, to)
        number = ticks.get((key, to))
        assert number is not None, own + ", which never was"
        begun = [place for started, place in starts if since - 1 <= started <= at]
        if any(number > place for place in begun):
            continue
        failed = logged.first(r"^\[pool\] (?!can't write)", since - 1, at)
        batch = 512 + 1
        assert failed is not None and ticks[key, before] - number <= batch, own + (
            " at %.3f, since %.3f, with no reason; positions of starts: %r" % (
                at, since, begun))
