# SPDX-License-Identifier: Apache-2.0
"""That what is measured does the work: everybody's lines and values are held against fastlane's."""

import itertools
import json
import os
import sys

from .contenders import CONTENDERS
from .measuring import measure

LINES = 20000  # that are compared one by one; all are counted
SAMPLE = 200   # keys

# Connector/C's reader does not know the sign of numbers, nor decimals as the source has them.
ONLY_COUNTED = {"connector", "zongji"}
BY_NAME = {contender.name: contender for contender in CONTENDERS}


def same(one, other):
    """As JSON; of doubles each has its own way to write the digits, and a FLOAT has seven of them."""
    if isinstance(one, float) or isinstance(other, float):
        return isinstance(one, (int, float)) and isinstance(other, (int, float)) and \
            abs(one - other) <= 1e-6 * max(abs(one), abs(other))
    return one == other


def check(good, what):
    if not good:
        sys.exit("not what it should be: " + what)


def same_row(one, other, what):
    check(one.keys() == other.keys(), "%s: %r, %r" % (what, one.keys(), other.keys()))
    for name, value in one.items():
        check(same(value, other[name]), "%s, %s: %r, %r" % (what, name, value, other[name]))


def lines(bench, name):
    """The lines that it wrote, as a file; None if it is not there."""
    path = "%s/%s.lines" % (bench.folder, name)
    return path if measure(bench, BY_NAME[name], path) else None


def rows_of(path):
    with open(path, "rb") as file:
        for line in file:
            if b'"row":' in line:
                yield line


def verify(bench):
    bench.verifying = True
    verify_lines(bench)
    verify_caches(bench)
    bench.verifying = False


def verify_lines(bench):
    workload = bench.workload
    ours = lines(bench, "stdout")
    count = sum(1 for _ in rows_of(ours))
    check(count == workload.rows, "fastlane's lines: %d of %d" % (count, workload.rows))
    for name in ("trial", "connector", "zongji"):
        theirs = lines(bench, name)
        if theirs is None:
            continue
        count = sum(1 for _ in rows_of(theirs))
        check(count == workload.rows, "%s: %d lines of %d" % (name, count, workload.rows))
        for one, other in itertools.islice(zip(rows_of(ours), rows_of(theirs)), LINES):
            one, other = json.loads(one), json.loads(other)
            what = "%s, %s, line of id %s" % (workload.name, name, one["row"]["id"])
            for word in ("db", "table", "op"):
                check(one[word] == other[word], what + ": " + word)
            if name in ONLY_COUNTED:
                check(one["row"].keys() == other["row"].keys(), what)
            else:
                same_row(one["row"], other["row"], what)
        os.remove(theirs)
    os.remove(ours)


def verify_caches(bench):
    workload = bench.workload
    numbers = range(1, workload.keys + 1, max(1, workload.keys // SAMPLE))
    sample = None
    for contender in CONTENDERS:
        caches = contender.caches(bench)
        if not caches or contender.share != 1 or not measure(bench, contender):
            continue
        for cache in caches:
            what = "%s, %s, %s" % (workload.name, contender.title, type(cache).__name__)
            client = cache.client()
            if cache is bench.redis:
                # And the position, where it is kept.
                keys = client.dbsize() - (contender.name in ("redis", "redis-multi", "all"))
                check(keys == workload.keys, "%s: %d keys of %d" % (what, keys, workload.keys))
            found = [json.loads(client.get(workload.key(number)) or "{}") for number in numbers]
            client.close()
            sample = sample or found
            for one, other in zip(sample, found):
                same_row(one, other, what)
