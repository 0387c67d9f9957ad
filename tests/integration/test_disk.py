# SPDX-License-Identifier: Apache-2.0
"""A state directory that can't be written to for a while."""

import pytest

from harness import bank
from harness.disk import SmallDisk


@pytest.mark.parametrize("mount", [True, False])
def test_a_full_disk_is_outlived(mount, mariadb, rig, db, figures):
    """Without a mount the process may write no file at all: not even its stdout, which waits."""
    r = rig(mariadb, bank.tables(db))
    disk = SmallDisk(r.daemon.dir + "/state", mount)
    sinks = ("hot", "pool", "log") if disk.mounted else ("hot", "pool")
    load = bank.Bank(mariadb, db, rate=200).start()
    try:
        r.daemon.start()
        r.settle()
        for end in ("none", "kill", "stop"):
            disk.fill(r.daemon.process)
            r.settle(sinks=sinks)
            if end != "none":
                getattr(r.daemon, end)()
                r.daemon.start()
                # What it has to say at first, it says in vain.
                disk.apply(r.daemon.process)
                r.settle(sinks=sinks)
            if disk.mounted:
                r.daemon.wait_log(r"can't write .*\.position\.new: No space left on device")
            disk.free(r.daemon.process)
            r.settle()
        load.stop()
        r.settle()
        r.compare(stream=r.stream(repeats=True))
        r.daemon.stop()
        before = len(r.daemon.log)
        r.daemon.start()
        r.settle()
        assert "has no position of its own" not in r.daemon.log[before:]
        r.daemon.stop()
    finally:
        load.stop()
        r.daemon.kill()
        disk.close()
    figures("%d transactions, filled by %s" % (load.committed, disk.kind))
