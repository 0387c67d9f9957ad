# SPDX-License-Identifier: Apache-2.0
"""SQL scripts: their statements, and the oracle's own directives among them.

Statements end with `;`, or with what a line `DELIMITER x` says. A directive is a comment that stands
alone on its line, outside of a statement:

    -- session NAME      what follows runs in this session (at first: main)
    -- disconnect        the session's connection is closed; its next statement opens another one
    -- barrier           all sessions come to rest, and what was folded is compared with SELECT
    -- restart           fastlane is stopped and started again
    -- kill              fastlane is killed and started again
    -- expect doubt RE   doubts that match are not failures
"""

import re

DIRECTIVE = re.compile(
    r"--[ \t]+(session|disconnect|barrier|restart|kill|expect doubt)\b[ \t]*([^\n]*)")
DELIMITER = re.compile(r"delimiter[ \t]+(\S+)[^\n]*", re.IGNORECASE)
# What a statement is made of: texts and comments, which may hold its end, and the rest.
TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`
        | /\*.*?\*/ | \#[^\n]* | --(?=[\s])[^\n]* | --$""", re.DOTALL | re.VERBOSE)
BLANK = re.compile(r"\s+")


class Step:
    """`kind`: sql, or the directive's name."""

    def __init__(self, kind, text):
        self.kind, self.text = kind, text

    def __str__(self):
        if self.kind != "sql":
            return ("-- %s %s" % (self.kind, self.text)).rstrip()
        if ";" in self.text and TOKEN.sub("", self.text).count(";"):
            return "DELIMITER $$\n%s$$\nDELIMITER ;" % self.text
        return self.text + ";"


def sql(text):
    return Step("sql", text)


def parse(text):
    """The script's steps, in order."""
    steps, at, start, delimiter = [], 0, 0, ";"
    begun = False  # something of a statement has been read
    while at < len(text):
        if not begun:
            blank = BLANK.match(text, at)
            if blank:
                at = start = blank.end()
                continue
            directive = DIRECTIVE.match(text, at)
            if directive:
                steps.append(Step(directive[1], directive[2].strip()))
                at = start = directive.end()
                continue
            changed = DELIMITER.match(text, at)
            if changed:
                delimiter = changed[1]
                at = start = changed.end()
                continue
        if text.startswith(delimiter, at):
            if begun:
                steps.append(sql(text[start:at].strip()))
            begun = False
            at = start = at + len(delimiter)
            continue
        token = TOKEN.match(text, at)
        if token:
            # A comment in front of a statement is no statement yet, but may be one to the server.
            begun = begun or not token[0].startswith(("--", "#")) and not (
                token[0].startswith("/*") and not token[0].startswith(("/*!", "/*M!")))
            at = token.end()
            start = start if begun else at
            continue
        begun = True
        at += 1
    if begun and text[start:].strip():
        steps.append(sql(text[start:].strip()))
    return steps
