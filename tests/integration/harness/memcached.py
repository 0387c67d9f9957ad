# SPDX-License-Identifier: Apache-2.0
"""As much of memcached's text protocol as the tests need."""

import socket
import urllib.parse


class Memcached:
    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.connection.makefile("rb")

    def close(self):
        self.file.close()
        self.connection.close()

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("memcached closed the connection")
        return line.rstrip(b"\r\n")

    def send(self, command):
        self.connection.sendall(command.encode() + b"\r\n")

    def get(self, key):
        """The value, or None; `key` as memcached knows it."""
        self.send("get " + key)
        line = self.line()
        if line == b"END":
            return None
        word, _, _, size = line.split()
        assert word == b"VALUE", line
        value = self.file.read(int(size))
        assert self.file.read(2) == b"\r\n" and self.line() == b"END"
        return value

    def set(self, key, value):
        self.connection.sendall(b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(value), value))
        assert self.line() == b"STORED"

    def ttl(self, key):
        """Seconds that are left, -1 for a value that stays, None for no value."""
        self.send("mg %s t" % key)
        line = self.line()
        return None if line == b"EN" else int(line.split()[1][1:])

    def stats(self, *what):
        """Names and values, all of them bytes."""
        self.send(" ".join(("stats", *what)))
        found = {}
        while True:
            line = self.line()
            if line == b"END":
                return found
            _, name, value = line.split(b" ", 2)
            found[name] = value

    def connections(self):
        """The other ends of all connections, as in tcp:127.0.0.1:38412."""
        return {value.decode() for name, value in self.stats("conns").items()
                if name.endswith(b":addr")}

    def keys(self):
        """All keys, as memcached knows them."""
        self.send("lru_crawler metadump all")
        found = set()
        while True:
            line = self.line()
            if line == b"END":
                return found
            fields = dict(field.split(b"=", 1) for field in line.split())
            # The dump itself quotes a key as an URL does.
            found.add(urllib.parse.unquote(fields[b"key"].decode()))
