# SPDX-License-Identifier: Apache-2.0
"""What fastlane is to reach, each as a ratio of the run."""

from .contenders import OURS
from .measuring import paired

ALL = ("W1", "W2", "W3", "W4")


class Target:
    """`see`: from a workload's series to a number; None if something of it was not measured."""

    def __init__(self, text, bound, workloads, see, least=True):
        self.text, self.bound, self.workloads, self.see, self.least = text, bound, workloads, see, least

    def is_met(self, seen):
        return seen >= self.bound if self.least else seen <= self.bound


def rate(one, other):
    return lambda found: paired(found[one], found[other], lambda run: run.rate)


def seconds(one, other):
    return lambda found: paired(found[one], found[other], lambda run: run.seconds)


def cpu(one, other):
    return lambda found: paired(found[one], found[other], lambda run: run.cpu)


TARGETS = [
    Target("JSON lines: time against the packets alone", 1.1, ("W1",), seconds("stdout", "packets"), least=False),
    Target("JSON lines: rate against the trial", 0.85, ("W2", "W3", "W4"), rate("stdout", "trial")),
    Target("JSON lines: processor time against the trial", 1.25, ALL, cpu("stdout", "trial"), least=False),
    Target("JSON lines: rate against Connector/C's reader", 2, ("W1",), rate("stdout", "connector")),
    Target("JSON lines: rate against Connector/C's reader", 4, ("W2", "W4"), rate("stdout", "connector")),
    Target("JSON lines: rate against zongji", 14, ALL, rate("stdout", "zongji")),
    Target("Redis: rate against the trial, plain", 0.9, ALL, rate("redis", "redis-trial")),
    Target("Redis: how busy the server is", 0.85, ALL, lambda found: found["redis"].share("Redis")),
    Target("memcached: rate against the trial", 0.9, ALL, rate("memcached", "memcached-trial")),
    Target("memcached: rate against libmemcached, one at a time", 40, ALL, rate("memcached", "memcached-library")),
    Target("no table mapped: rate against the packets alone", 0.95, ALL, rate("unmapped", "packets")),
    Target("three sinks: bytes from the source against one sink", 1.05, ALL,
           lambda found: paired(found["all"], found["stdout"], lambda run: run.sent_per_row), least=False),
    Target("beside Redis: peak of memory, MiB", 16, ALL, lambda found: found["redis"].peak, least=False),
]


def judge(results):
    """(target, workload, seen, seen without the time of fastlane's start and end) of each; None: not measured."""
    for target in TARGETS:
        for workload in target.workloads:
            if workload not in results:
                continue
            found = results[workload]
            rest = {name: series.less(found["start"]) if name in OURS else series
                    for name, series in found.items()} if "start" in found else {}
            yield target, workload, see(target, found), see(target, rest)


def see(target, found):
    try:
        return target.see(found)
    except KeyError:
        return None
