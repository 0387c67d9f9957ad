# SPDX-License-Identifier: Apache-2.0
"""What `fastlane --explain` prints, taken apart; and what it would make of a cache."""

import fnmatch
import re

from .daemon import command

HEAD = re.compile(r"(insert|update|delete|truncate|statement|doubt|commit)\b(.*)")
MAP = re.compile(r"  map (\S+) \((.*):(\d+)\): (.*)")
SINK = re.compile(r"    sink (\S+) \((\w+)\): (.*)")
SET = re.compile(r"(?:SET|HASH) (.*?)(?: ttl (\d+))?( if it exists)? = ?(.*)", re.DOTALL)


def escaped(raw):
    """As fastlane shows bytes: those of characters that are not printable as \\xNN."""
    text = raw.decode("utf-8", "surrogateescape")
    return "".join(
        "".join("\\x%02x" % byte for byte in c.encode("utf-8", "surrogateescape"))
        if c < " " or "\x7f" <= c <= "\x9f" or "\udc80" <= c <= "\udcff" else c
        for c in text
    )


class Change:
    """One change: `what` (its first word), `definition`, `maps` (name -> what is said of the table),
    `operations` (sink -> list of (kind, key, ttl, value)), `said` (sink -> the lines themselves)."""

    def __init__(self, head):
        self.what, rest = HEAD.fullmatch(head).groups()
        found = re.search(r"\(definition: (.*)\)$", rest)
        self.definition = found and found[1]
        self.maps, self.operations, self.logs, self.said = {}, {}, [], {}
        self.sink, self.together, self.halts = None, False, None

    def add(self, line):
        found = MAP.fullmatch(line)
        if found:
            self.maps[found[1]] = found[4]
            return
        if line == "  all maps together":
            self.together = True
            return
        found = SINK.fullmatch(line)
        if found:
            self.sink = found[1]
            if self.together:
                # In place of what each map does by itself.
                self.operations[self.sink], self.said[self.sink] = [], []
            line = found[3]
        elif line.startswith("  sink "):
            name, text = re.fullmatch(r"  sink (\S+) \(\w+\): (.*)", line).groups()
            self.said[name] = [text]
            return
        elif "{generation}" in line:
            return
        self.take(line.strip(" ") if not found else line)

    def take(self, text):
        operations = self.operations.setdefault(self.sink, [])
        if text.startswith("not used: "):
            return
        self.said.setdefault(self.sink, []).append(text)
        kind, _, rest = text.partition(" ")
        if kind in ("SET", "HASH"):
            key, ttl, existing, value = SET.fullmatch(text).groups()
            operations.append((kind + " XX" * bool(existing), key, int(ttl or 0), value))
        elif kind in ("DELETE", "CLEAR"):
            operations.append((kind, rest, 0, None))
        elif kind == "logs:":
            self.logs.append(rest)
        elif kind == "halts:":
            self.halts = rest
        else:
            assert text == "no operation", text


def explain(config, change, given="", status=0):
    """The changes that it tells."""
    done = command("-c", config, "--explain", change, given=given)
    assert done.returncode == status, done.stderr
    changes = []
    for line in done.stdout.split("\n"):
        if line and line[0] != " ":
            changes.append(Change(line))
        elif line:
            changes[-1].add(line)
    return changes


def fold(changes, sink, before=()):
    """What the sink has after the changes, key and value as they are shown; `before`: what it had."""
    content = dict(before)
    for change in changes:
        for kind, key, _, value in change.operations.get(sink, ()):
            if kind in ("SET", "HASH") or (kind.endswith(" XX") and key in content):
                content[key] = value
            elif kind == "DELETE":
                content.pop(key, None)
            elif kind == "CLEAR":
                for name in fnmatch.filter(list(content), key):
                    del content[name]
    return content
