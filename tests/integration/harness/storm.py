# SPDX-License-Identifier: Apache-2.0
"""Faults of all kinds at random moments, under load, and the proof afterwards that nothing is wrong."""

import collections
import glob
import os
import random
import re
import subprocess
import threading
import time

from . import workload
from .bank import Bank, MemcachedReader, RedisReader, tables
from .disk import SmallDisk
from .proof import Logged, Place, RedisProof, StreamProof, check_falls, last_number
from .proxy import Proxy
from .rig import Rig
from .servers import MariaDB, MemcachedServer, MySQL, Redis
from .wait import wait_for

SOURCES = {"mariadb": MariaDB, "mysql": MySQL}
VICTIMS = ("source", "redis", "memcached")

# How each victim's death shows in the log.
SIGNS = {"source": r"source", "redis": r"^\[hot\]", "memcached": r"^\[pool\]",
         "disk": r"\.position\.new|state"}

KINDS = ["kill fastlane", "stop fastlane", "pause fastlane", "kill redis", "lose redis",
         "pause redis", "kill memcached", "pause memcached", "kill source", "pause source",
         "fill disk"] + [
    "%s %s" % (what, victim) for victim in VICTIMS
    for what in ("reset", "close", "half-close to", "half-close from", "drop all to and from",
                 "drop to", "drop from", "delay", "narrow")]


def make_certificate(folder):
    """One that is its own authority, for 127.0.0.1."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"],
        check=True, capture_output=True)


class Storm:
    """`log`: told what happens. `part`: (n, count) has it begin with other kinds of faults than the
    storms of that seed before it, of `count` faults each. Everything is in `folder`; close() ends all
    processes."""

    def __init__(self, folder, kind, seed, rate=120, fsync="always", part=(0, 0), mount=True,
                 log=lambda text: None):
        self.folder, self.seed, self.log = folder, seed, log
        self.fsync, self.mount = fsync, mount
        self.random = random.Random("storm %s %s" % (kind, seed))
        self.kinds = KINDS[:]
        random.Random("kinds %s" % seed).shuffle(self.kinds)
        first = part[0] * part[1] % len(KINDS)
        self.kinds = self.kinds[first:] + self.kinds[:first]
        self.counts = collections.Counter()
        self.faults = []          # (victim, kind, clock time of its begin and of its end)
        self.starts = []          # (clock time, size of the stream, positions stored of log and of pool)
        self.losses = 0
        self.recoveries = []
        self.failure = None
        self.servers, self.proxies, self.readers = [], {}, []
        self.disk = self.bank = self.rig = None
        self.locks = {}
        self.running = []
        try:
            self.build(kind, rate)
        except BaseException:
            self.close()
            raise

    def server(self, kind, name, *options):
        server = kind("%s/%s" % (self.folder, name), *options)
        self.servers.append(server)
        return server.start()

    def build(self, kind, rate):
        source_class = SOURCES[kind]
        options, reach = [], {"host": "127.0.0.1"}
        if kind == "mysql":
            make_certificate(self.folder)
            options = ["--ssl-cert=%s/cert.pem" % self.folder, "--ssl-key=%s/key.pem" % self.folder]
            reach.update(tls="yes", tls_ca=self.folder + "/cert.pem")
        self.source = self.server(source_class, "source", "--max-binlog-size=4M", *options)
        self.redis = self.server(
            Redis, "redis", "--appendonly", "yes", "--appendfsync", self.fsync,
            "--auto-aof-rewrite-percentage", "0")
        self.memcached = self.server(MemcachedServer, "memcached")
        for name in VICTIMS:
            # Redis is written to in a way that whatever comes too late does nothing.
            self.proxies[name] = Proxy(getattr(self, name).port, keeps=name == "redis")
        self.disk = SmallDisk(self.folder + "/state", self.mount)
        db = "storm"
        self.rig = Rig(
            self.folder, db, self.source, self.redis, self.memcached,
            [*tables(db), *workload.tables(db, self.source.flavour)],
            sinks={
                "hot": {"plugin": "redis", "timeout_ms": 1000,
                        "address": "127.0.0.1:%d" % self.proxies["redis"].port},
                "pool": {"plugin": "memcached",
                         "servers": "127.0.0.1:%d" % self.proxies["memcached"].port},
            },
            fastlane={"queue_bytes": "1M", "transaction_bytes": "1M"}, port=self.proxies["source"].port,
            connect_timeout=3, **reach)
        self.daemon = self.rig.daemon
        self.begin = last_number(self.daemon.sections["source"]["start"]) \
            if self.daemon.sections["source"]["start"] != "earliest" else 0
        self.start()
        self.rig.settle(120)
        self.readers = [
            RedisReader(self.redis, "multi", lambda: self.losses),
            RedisReader(self.redis, "script", lambda: self.losses),
            MemcachedReader(self.memcached),
        ]
        self.bank = Bank(self.source, db, seed=self.seed, rate=rate, mixed=True).start()

    # fastlane

    def start(self):
        """What is there is noted before: it has to go on right behind the position that is stored."""
        size = os.path.getsize(self.daemon.out) if os.path.exists(self.daemon.out) else 0
        self.starts.append((time.time(), size, self.stored("log"), self.stored("pool")))
        self.spoken = self.daemon.log.count(" sinks\n") + 1
        self.daemon.start()
        self.disk.apply(self.daemon.process)

    def stored(self, sink):
        try:
            with open(self.daemon.position_file(sink)) as file:
                return Place(file.read().splitlines()[1]).number
        except FileNotFoundError:
            return self.begin

    # Faults. Each returns when it is over; `hold` is how long it lasts.

    def fault_kill_fastlane(self, hold):
        self.daemon.check_running()
        self.daemon.kill()
        self.daemon.check_log()
        if self.random.random() < 0.5:
            self.wait(hold)
        self.start()

    def fault_stop_fastlane(self, hold):
        # Before it has said that, a SIGTERM simply ends it.
        self.daemon.wait_for(
            lambda: self.daemon.log.count(" sinks\n") >= self.spoken, "its first line")
        self.daemon.stop(seconds=10)
        self.start()

    def pause(self, process, hold):
        process.freeze()
        try:
            self.wait(hold)
        finally:
            process.thaw()

    def fault_pause_fastlane(self, hold):
        self.daemon.check_running()
        self.daemon.signal(19)
        self.wait(hold)
        self.daemon.signal(18)

    def revive(self, name, hold, before=lambda: None):
        server = getattr(self, name)
        server.kill()
        self.wait(hold)
        before()
        server.start()

    def fault_kill_source(self, hold):
        self.revive("source", hold)

    def fault_kill_memcached(self, hold):
        self.revive("memcached", hold)

    def fault_kill_redis(self, hold):
        def may_have_lost():
            # With everysec it may answer before it has written, if the disk is slow.
            self.losses += self.fsync != "always"
        self.revive("redis", hold, may_have_lost)

    def fault_lose_redis(self, hold):
        """As after the machine's crash: what was written last is not there any more."""
        def cut():
            self.losses += 1
            path = self.append_only_file()
            size = os.path.getsize(path)
            if size > 200000:
                os.truncate(path, size - self.random.randrange(1, 30000))
        self.revive("redis", hold, cut)

    def append_only_file(self):
        found = glob.glob(self.redis.dir + "/data/appendonlydir/*.incr.aof")
        assert len(found) == 1, found
        return found[0]

    def fault_fill_disk(self, hold):
        self.disk.fill(self.daemon.process)
        try:
            self.wait(hold)
        finally:
            self.disk.free(self.daemon.process)

    def link_fault(self, what, proxy, hold):
        if what in ("reset", "close"):
            proxy.cut(what)
        elif what == "half-close to":
            proxy.half_close("server")
        elif what == "half-close from":
            proxy.half_close("client")
        else:
            if what == "delay":
                proxy.delay(self.random.uniform(0.02, 0.4))
            elif what == "narrow":
                proxy.narrow(self.random.choice([50, 5000, 50000]))
            else:
                proxy.hold(*{"drop to": ["up"], "drop from": ["down"]}.get(what, ()))
            self.wait(hold)
            # Some networks come back as if nothing had been, others have forgotten all.
            if self.random.random() < 0.3:
                proxy.cut("reset")
            proxy.heal()

    def wait(self, seconds):
        """How long a fault lasts; less if the storm has failed."""
        deadline = time.monotonic() + seconds
        while self.failure is None and time.monotonic() < deadline:
            threading.Event().wait(min(0.05, seconds))

    def run_fault(self, kind, hold, lock):
        what, victim = kind.rsplit(" ", 1)
        begin = time.time()
        try:
            if what in ("kill", "stop", "pause", "lose", "fill"):
                own = getattr(self, "fault_%s_%s" % (what, victim), None)
                if own:
                    own(hold)
                else:
                    self.pause(getattr(self, victim), hold)
            else:
                self.link_fault(what, self.proxies[victim], hold)
            self.faults.append((victim, kind, begin, time.time()))
            self.counts[kind] += 1
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            lock.release()

    # The storm.

    def blow(self, faults, calm_every=25, hold=1.0):
        """So many faults, of different victims at the same time too; `hold`: how long they last on
        average. Now and then all are over, and everybody has to be level again, by himself."""
        plan = self.kinds[:]
        while len(plan) < faults:
            some = KINDS[:]
            self.random.shuffle(some)
            plan += some
        for number, kind in enumerate(plan[:faults]):
            what, victim = kind.rsplit(" ", 1)
            place = victim if what in ("kill", "stop", "pause", "lose", "fill") else "to " + victim
            lock = self.lock_of(place)
            lock.acquire()
            if self.failure:
                raise self.failure
            length = min(self.random.expovariate(1 / hold), 6 * hold)
            self.log("%4d  %-28s %.1f s" % (number + 1, kind, length))
            thread = threading.Thread(target=self.run_fault, args=(kind, length, lock))
            self.running.append(thread)
            thread.start()
            self.wait(self.random.expovariate(1 / (0.4 * hold)))
            if (number + 1) % calm_every == 0:
                self.calm()
        if faults % calm_every:
            self.calm()

    def lock_of(self, place):
        if place not in self.locks:
            self.locks[place] = threading.Lock()
        return self.locks[place]

    def calm(self):
        for thread in self.running:
            thread.join()
        self.running = []
        if self.failure:
            raise self.failure
        self.bank.check()
        self.rig.reconnect()
        begin = time.monotonic()
        self.rig.settle(120)
        self.recoveries.append(time.monotonic() - begin)
        self.log("      calm: all level after %.1f s, %d transactions" % (
            self.recoveries[-1], self.bank.committed))
        self.check_readers()

    def check_readers(self):
        for reader in self.readers[:2]:
            if reader.failure:
                raise reader.failure
            assert not reader.wrong, "%d of %d reads are wrong, such as: %s" % (
                len(reader.wrong), reader.reads, reader.wrong[:3])

    def finish(self):
        """The proof; returns a dict of figures."""
        self.bank.stop()
        rig = self.rig
        rig.reconnect()
        rig.settle(120)
        for reader in self.readers:
            reader.stop()
        self.check_readers()
        figures = {"transactions": self.bank.committed,
                   "reads of Redis": sum(reader.reads for reader in self.readers[:2]),
                   "reads of memcached": self.readers[2].reads}
        stream = StreamProof(self.daemon.out, [start[1:3] for start in self.starts],
                             may_repeat=not self.disk.mounted)
        rows = self.source.run("SELECT id FROM storm.ledger")
        missing = {int(row[0]) for row in rows} ^ stream.ledger.keys()
        assert not missing, "the stream lacks, or has too much of, the ledger: %r" % sorted(missing)[:9]
        figures.update({"in the stream": stream.transactions, "repeated in it": stream.repeated})
        rig.compare(sinks=("hot", "log"), stream=rig.stream(repeats=True))
        rig.compare(sinks=("pool",), all_there=self.counts["kill memcached"] == 0)
        proof = RedisProof(self.append_only_file(), "fastlane:position:hot", stream.ledger)
        assert proof.applied == len(stream.ledger), (proof.applied, len(stream.ledger))
        figures.update({"batches in Redis": proof.batches, "ledger rows in Redis": proof.applied})
        logged = Logged(self.daemon.log)
        falls = self.readers[2].falls
        check_falls(falls, stream.ticks, [(at, pool) for at, _, _, pool in self.starts], logged)
        figures["falls in memcached, each in a replay"] = len(falls)
        doubts = re.findall(r".*in doubt.*", self.daemon.log)
        assert not doubts, doubts[:5]
        # What memcached lost in restarts comes with the next change of it.
        for name in ("account", "item", "flat", "event", "bulk"):
            column = "name" if name == "account" else "note"
            self.source.run("UPDATE `%s` SET `%s` = CONCAT(LEFT(IFNULL(`%s`, ''), 30), '!')" % (
                name, column, column), database="storm")
        self.source.run("UPDATE purse SET n = n + 1", "UPDATE tick SET n = n + 1",
                        "UPDATE ledger SET who = who + 1", database="storm")
        rig.settle(120)
        rows, values = rig.compare(stream=rig.stream(repeats=True))
        figures.update({"rows compared": rows, "values compared": values, "differences": 0})
        self.noticed = self.times_to_notice(logged)
        self.daemon.stop(seconds=10)
        return figures

    def times_to_notice(self, logged):
        """kind -> seconds from each fault's begin to its first line in the log. Faults that did
        not last long enough to matter, or were hidden by others, have none."""
        found = collections.defaultdict(list)
        for victim, kind, begin, end in self.faults:
            if victim in SIGNS:
                seconds = logged.first(SIGNS[victim], begin, end + 1)
                if seconds is not None:
                    found[kind].append(seconds)
        return found

    def close(self):
        self.failure = self.failure or AssertionError("ended")
        for thread in self.running:
            thread.join()
        for reader in self.readers:
            reader.enough.set()
        if self.bank:
            for teller in self.bank.tellers:
                teller.enough.set()
        if self.rig:
            self.rig.daemon.kill()
        for server in self.servers:
            server.kill()
        for proxy in self.proxies.values():
            proxy.close()
        if self.bank:
            for teller in self.bank.tellers:
                teller.join()
        if self.disk:
            self.disk.close()

    def summary(self, figures, seconds):
        """Lines to be printed."""
        yield "seed %s, %s, appendfsync %s, state directory filled by %s" % (
            self.seed, type(self.source).__name__, self.fsync, self.disk.kind)
        yield "%d faults in %.0f s:" % (sum(self.counts.values()), seconds)
        for kind in KINDS:
            times = sorted(self.noticed.get(kind, []))
            yield "  %4d  %-30s %s" % (self.counts[kind], kind, "noticed %d times: %.2f s, at most %.2f" % (
                len(times), times[len(times) // 2], times[-1]) if times else "")
        yield "level again after each of %d calms: within %.1f s" % (
            len(self.recoveries), max(self.recoveries, default=0))
        for name, value in figures.items():
            yield "%s: %s" % (name, value)
