# SPDX-License-Identifier: Apache-2.0
"""One run of one contender: what it took, and what it cost the servers on both ends."""

import glob
import os
import statistics
import subprocess
import sys


def cpu_seconds(server):
    """Of all threads that it has; those of a source that have ended are counted by ticks."""
    return sum(int(open(path).read().split()[0])
               for path in glob.glob("/proc/%d/task/*/schedstat" % server.pid)) / 1e9


def process_seconds(server):
    with open("/proc/%d/stat" % server.pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """`seconds`, `user`, `system`, `peak` (MiB) of the contender's process; `shares` of a processor
    that its caches were busy for, by name, and the source's; `sent`: bytes by the source."""

    def __init__(self, words, shares, sent, rows):
        self.seconds, self.user, self.system = map(float, words[:3])
        self.peak = int(words[3]) / 1024
        self.shares, self.sent, self.rows = shares, sent, rows

    @property
    def rate(self):
        return self.rows / self.seconds

    @property
    def cpu(self):
        """Microseconds a row."""
        return (self.user + self.system) * 1e6 / self.rows

    @property
    def sent_per_row(self):
        return self.sent / self.rows

    def less(self, start):
        """What is left without another run's time."""
        seconds = max(self.seconds - start.seconds, 1e-6)
        rest = Run.__new__(Run)
        rest.__dict__.update(
            vars(self), seconds=seconds, user=max(self.user - start.user, 0),
            system=max(self.system - start.system, 0),
            shares={name: share * self.seconds / seconds for name, share in self.shares.items()})
        return rest


def sent_bytes(source):
    return int(source.run("SHOW GLOBAL STATUS LIKE 'Bytes_sent'")[0][1])


def empty_caches(bench, contender):
    for cache in contender.caches(bench) or ([bench.redis] if contender.setting == "redis" else []):
        client = cache.client()
        if cache is bench.redis:
            client.flushall()
        else:
            client.send("flush_all")
            assert client.line() == b"OK"
        client.close()


def measure(bench, contender, out=os.devnull):
    """A Run; None if the contender is not there, or is a peer that has failed."""
    file, rows = contender.reads(bench)
    command = contender.command(bench, file, rows)
    if command is None or bench.workload.name in contender.without:
        return None
    from harness.daemon import ENVIRONMENT
    empty_caches(bench, contender)
    caches = contender.caches(bench)
    taken = bench.folder + "/taken"
    before = [cpu_seconds(cache) for cache in caches]
    source, sent = process_seconds(bench.source), sent_bytes(bench.source)
    with open(out, "wb") as file, open(bench.folder + "/said", "w+") as said:
        status = subprocess.run([bench.program("measure"), taken, *command], stdin=subprocess.DEVNULL,
                                stdout=file, stderr=said, env=ENVIRONMENT).returncode
        said.seek(0)
        if status:
            text = "%s (%s): status %d\n%s" % (contender.title, contender.name, status, said.read()[-3000:])
            if not contender.is_peer:
                sys.exit(text)
            print(text, flush=True)
            return None
    with open(taken) as file:
        words = file.read().split()
    seconds = float(words[0])
    shares = {type(cache).__name__: (cpu_seconds(cache) - used) / seconds
              for cache, used in zip(caches, before)}
    shares["source"] = (process_seconds(bench.source) - source) / seconds
    return Run(words, shares, sent_bytes(bench.source) - sent, rows)


class Series:
    """The runs of one contender on one workload."""

    def __init__(self, runs):
        self.runs = runs

    def less(self, start):
        """Without the time of another series' run in each round."""
        return Series([run.less(other) for run, other in zip(self.runs, start.runs)])

    def of(self, value):
        return [value(run) for run in self.runs]

    @property
    def rate(self):
        return statistics.median(self.of(lambda run: run.rate))

    @property
    def spread(self):
        rates = self.of(lambda run: run.rate)
        return min(rates), max(rates)

    @property
    def seconds(self):
        return statistics.median(self.of(lambda run: run.seconds))

    @property
    def cpu(self):
        return statistics.median(self.of(lambda run: run.cpu))

    @property
    def peak(self):
        return max(self.of(lambda run: run.peak))

    def share(self, server):
        if server not in self.runs[0].shares:
            return None
        return statistics.median(self.of(lambda run: run.shares[server]))


def paired(one, other, value):
    """The median of the rounds' ratios: both were run in the same round, one soon after the other."""
    return statistics.median(value(a) / value(b) for a, b in zip(one.runs, other.runs))
