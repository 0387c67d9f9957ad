# SPDX-License-Identifier: Apache-2.0
"""A short storm on each source; tests/storm makes long ones."""

import os
import time

import pytest

from harness.storm import Storm

SEED = int(os.environ.get("FASTLANE_SEED", 1))
FAULTS = 30


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
def test_a_storm_leaves_nothing_wrong(kind, folder, daemons, figures):
    # The two of them go through all kinds of faults.
    begin = time.monotonic()
    storm = Storm(folder, kind, SEED, fsync="always" if kind == "mariadb" else "everysec",
                  part=(0 if kind == "mariadb" else 1, FAULTS))
    daemons.append(storm.daemon)
    try:
        storm.blow(FAULTS, calm_every=15, hold=0.5)
        found = storm.finish()
        figures("seed %d, %d faults, %.0f s, %s" % (
            SEED, sum(storm.counts.values()), time.monotonic() - begin,
            ", ".join("%s: %d" % item for item in found.items())))
        assert sum(storm.counts.values()) == FAULTS
        assert found["transactions"] > 100 and found["reads of Redis"] > 100
    finally:
        storm.close()
