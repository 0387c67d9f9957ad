# SPDX-License-Identifier: Apache-2.0
"""The manual's pages, taken apart. What is to be tried stands between .nf and .fi behind a comment that
says what it is:

    example   lines of a configuration; behind them, if there are any, changes: statements, or JSON as
              --explain takes it. A line set in by two belongs to the one before. What becomes of a change
              is set in by four, and by six where a line is broken.
    tables    of the examples
    file      NAME: what is in that file
    run       commands behind "$ ", and what they print; "..." stands for any text
    output    changes, and the line that stdout prints of each, set in
"""

import os
import re

PAGES = os.path.join(os.path.dirname(__file__), "..", "..", "..", "etc")
NAMES = ("fastlane.1", "fastlane.ini.5", "fastlane-redis.5", "fastlane-memcached.5", "fastlane-stdout.5")

ESCAPES = {"e": "\\", "-": "-", "&": "", "(aq": "'", "(ga": "`", "(ti": "~", "(ha": "^",
           "(lq": '"', "(rq": '"'}
CHANGE = re.compile(r"(INSERT|UPDATE|DELETE|REPLACE|SET|TRUNCATE|ALTER|RENAME|CREATE|DROP) |\{")


def plain(line):
    """As a reader sees it."""
    return re.sub(r"\\(\(..|.)", lambda found: ESCAPES[found[1]], line)


class Block:
    """`where`: page, section and entry; `lines`: as they are read."""

    def __init__(self, page, section, entry, kind, words, number):
        self.page, self.section, self.entry, self.kind, self.words = page, section, entry, kind, words
        self.where = "%s:%d: %s, %s" % (page, number, section, entry)
        self.lines = []

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)

    @property
    def settings(self):
        """The configuration: a list of [section, [[key, value]]]."""
        sections = []
        for line in self.lines:
            if CHANGE.match(line):
                break
            if line.startswith("["):
                sections.append([line, []])
            elif line:
                key, value = line.split(" = ", 1)
                sections[-1][1].append([key, value])
        return sections

    @property
    def changes(self):
        """A list of (change, what becomes of it)."""
        changes = []
        for line in self.lines:
            if CHANGE.match(line):
                changes.append((line, []))
            elif changes and line.startswith(" " * 6):
                changes[-1][1][-1] += " " + line.strip()
            elif changes and line.startswith(" " * 4):
                changes[-1][1].append(line[4:])
            elif changes and line.startswith(" " * 2):
                changes[-1] = (changes[-1][0] + " " + line.strip(), changes[-1][1])
            else:
                assert not changes, "%s: %s" % (self.where, line)
        return changes


def blocks_of(page):
    section, entry, outer = "", "", []
    was_tp, block, inside, blocks = False, None, False, []
    with open(os.path.join(PAGES, page), encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            found = re.fullmatch(r'\.\\" (example|tables|file|run|output)( .*)?', line)
            if found:
                block = Block(page, section, entry, found[1], (found[2] or "").strip(), number)
                blocks.append(block)
            elif block and line in (".nf", ".fi"):
                inside = line == ".nf"
                block = block if inside else None
            elif inside:
                assert not line.startswith((".", "'")), "%s: troff takes it for a request: %s" % (
                    block.where, line)
                block.lines.append(plain(line))
            elif line.startswith((".SH ", ".SS ")):
                section, entry = plain(line[4:]), ""
            elif line == ".RS":
                outer.append(entry)
            elif line == ".RE":
                entry = outer.pop()
            elif was_tp:
                entry = plain(re.sub(r'^\.[BI]+ |\\f.|"', "", line)).replace(": ", ":")
            was_tp = line == ".TP"
    assert block is None, block.where
    return blocks


def all_blocks(kind):
    return [block for page in NAMES for block in blocks_of(page) if block.kind == kind]


def matches(expected, said):
    """N stands for any number, "..." for any text."""
    pattern = re.escape(expected).replace(r"\.\.\.", ".*")
    return re.fullmatch(re.sub(r"\bN\b", r"\\d+", pattern), said, re.DOTALL)
