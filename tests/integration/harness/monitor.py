# SPDX-License-Identifier: Apache-2.0
"""Every command that a Redis executes."""

import re
import socket
import threading

from .wait import wait_for


WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def unquoted(text):
    """As Redis shows arguments."""
    def plain(match):
        code = match[1]
        return bytes([int(code[1:], 16)]) if len(code) == 3 else ESCAPES.get(code, code)
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", plain, text, flags=re.DOTALL).decode()


class Monitor(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.sendall(b"MONITOR\r\n")
        assert self.connection.recv(5) == b"+OK\r\n"
        self.seen = bytearray()
        self.closing = False
        self.parsed, self.found = 0, []
        self.start()

    def run(self):
        while True:
            try:
                data = self.connection.recv(1 << 16)
            except ConnectionResetError:
                if not self.closing:
                    raise
                return
            if not data:
                return
            self.seen += data

    def pairs(self):
        """Each key that was set, by SET or MSET, and its value, as Redis shows them, in order."""
        end = self.seen.rfind(b"\n") + 1
        for line in bytes(self.seen[self.parsed:end]).split(b"\n"):
            name, *words = WORD.findall(line) or [b""]
            if name.upper() == b"SET":
                self.found.append(tuple(words[:2]))
            elif name.upper() == b"MSET":
                self.found += zip(words[::2], words[1::2])
        self.parsed = end
        return self.found

    def written(self, prefix):
        """The keys with that prefix that were set, in order."""
        return [key.decode() for key, _ in self.pairs() if key.startswith(prefix.encode())]

    def values(self, prefix):
        """The keys with that prefix that were set, each with its value, in order."""
        assert self.is_alive() or self.closing, "what came later was not seen"
        return [(unquoted(key), unquoted(value)) for key, value in self.pairs()
                if key.startswith(prefix.encode())]

    def catch_up(self):
        """Waits until all has been seen that was executed so far."""
        token = b"seen up to here %d" % id(self)
        with socket.create_connection(("127.0.0.1", self.port)) as other:
            other.sendall(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (len(token), token))
            other.recv(100)
        wait_for(lambda: token in self.seen or not self.is_alive(), "the monitor has caught up")

    def close(self):
        if self.is_alive():
            self.catch_up()
        self.closing = True
        self.connection.shutdown(socket.SHUT_RDWR)
        self.join()
        self.connection.close()
