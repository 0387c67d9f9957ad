# SPDX-License-Identifier: Apache-2.0
"""A terminal of the tests' own: a program's controlling one, and what is to be seen on it."""

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

TOKEN = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]")


class Terminal:
    def __init__(self, command, columns, rows, environment):
        self.master, self.slave = pty.openpty()
        self.columns = self.rows = 0
        self.lock = threading.Lock()
        self.lines, self.row, self.column = [""], 0, 0
        self.alternate, self.cursor, self.frames = False, True, 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.unfinished = ""
        self.resize(columns, rows)
        self.mode = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env={**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        threading.Thread(target=self.read, daemon=True).start()

    def resize(self, columns, rows):
        """The programs on it are told."""
        with self.lock:
            self.columns, self.rows = columns, rows
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self.lock:
                self.take(self.unfinished + self.decoder.decode(data))

    def take(self, text):
        # A sequence may come in parts.
        begins = text.rfind("\x1b")
        if begins >= 0 and not TOKEN.match(text, begins):
            text, self.unfinished = text[:begins], text[begins:]
        else:
            self.unfinished = ""
        for found in TOKEN.finditer(text):
            text, private, number, name = found[0], found[1], found[2], found[3]
            while len(self.lines) <= self.row:
                self.lines.append("")
            line = self.lines[self.row]
            if private:
                if number == "1049":
                    self.alternate, self.lines = name == "h", [""]
                elif number == "25":
                    self.cursor = name == "h"
            elif name == "H":
                self.row = self.column = 0
                self.frames += 1
            elif name == "K":
                self.lines[self.row] = line[:self.column]
            elif name == "J":
                self.lines = [] if number == "2" else self.lines[:self.row] + [line[:self.column]]
            elif name == "m":
                pass
            elif name:
                raise AssertionError("unknown sequence %r" % text)
            elif text == "\r":
                self.column = 0
            elif text == "\n":
                self.row += 1
            else:
                self.lines[self.row] = line[:self.column].ljust(self.column) + text + line[self.column + 1:]
                self.column += 1

    @property
    def screen(self):
        with self.lock:
            return "\n".join(line.rstrip() for line in self.lines)

    @property
    def is_stopped(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"

    @property
    def is_given_back(self):
        return termios.tcgetattr(self.slave) == self.mode and self.cursor and not self.alternate

    def type(self, keys):
        os.write(self.master, keys.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)
