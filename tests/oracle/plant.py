# SPDX-License-Identifier: Apache-2.0
"""Falsifies a stream: the oracle is only worth something if it finds that."""

import json
import random

from .fold import MARK


def is_row(line):
    return b'"op":"insert"' in line and b'"db":"%s"' % MARK[0].encode() not in line


class Tamper:
    """Called with each line, returns the lines to pass on. One insert is dropped, altered, doubled, or
    comes late, behind its transaction."""

    def __init__(self, kind, seed, after=None):
        self.kind = kind
        self.left = random.Random(seed).randint(0, 20) if after is None else after
        self.held = None
        self.done = False

    def __call__(self, line):
        if self.held is not None:
            if b'"commit":true' not in line:
                return [line]
            held, self.held = self.held, None
            return [line, held]
        if self.done or not is_row(line):
            return [line]
        self.left -= 1
        # What ends a transaction is needed to see that it came.
        if self.left >= 0 or b'"commit":true' in line and self.kind != "alter":
            return [line]
        self.done = True
        return getattr(self, self.kind)(line)

    def drop(self, line):
        return []

    def duplicate(self, line):
        return [line, line]

    def late(self, line):
        self.held = line
        return []

    def alter(self, line):
        change = json.loads(line)
        name = next(reversed(change["row"]))
        value = change["row"][name]
        change["row"][name] = "altered" if value != "altered" else None
        change["key"] = {key: change["row"][key] for key in change["key"]}
        return [json.dumps(change, ensure_ascii=False).encode()]
