# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for a time."""

import threading
import time


class Late(AssertionError):
    """A condition that did not come true in time."""


def wait_for(condition, what, seconds=60, alive=None):
    """Returns what `condition` gives as soon as that is true. `alive` is called between tries, and
    raises if there is nothing left to wait for."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if alive:
            alive()
        if time.monotonic() > deadline:
            raise Late("after %d s still not: %s" % (seconds, what))
        pause.wait(0.02)
