# SPDX-License-Identifier: Apache-2.0
"""A service manager, as far as a daemon can see one: a socket that takes its messages."""

import os
import socket
import threading
import time


class Manager(threading.Thread):
    def __init__(self, address, watchdog_s=0):
        """`address`: a path, or "@" and a name of the abstract name space."""
        super().__init__(daemon=True)
        self.messages = []  # (time.monotonic(), {name: value})
        self.environment = {"NOTIFY_SOCKET": address}
        if watchdog_s:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.address = address
        self.start()

    def run(self):
        while True:
            text = self.socket.recv(65536).decode()
            if text == "that is all":
                return
            self.messages.append((time.monotonic(), dict(line.split("=", 1) for line in text.split("\n"))))

    def times(self, name):
        return [at for at, message in self.messages if name in message]

    def values(self, name):
        return [message[name] for _, message in self.messages if name in message]

    def names(self):
        """What was said, in order, but for what is said all the time."""
        return [name for _, message in self.messages for name in message
                if name not in ("WATCHDOG", "STATUS", "MONOTONIC_USEC")]

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.connect(self.socket.getsockname())
            own.send(b"that is all")
        self.join()
        self.socket.close()
        if self.address[0] != "@":
            os.remove(self.address)
