# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of a memcached server, which cuts, delays and half-closes connections."""

import random
import select
import socket
import struct
import threading

from .wait import wait_for

FAULTS = ("cut", "cut inside", "delay", "half-close", "trickle", "deaf")


def reset(connection):
    """Closes it so that nothing that is under way arrives."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Proxy:
    """`is_old`: says that it does not know the meta protocol.

    A network loses what is under way when a connection ends, and delivers none of it later: what a
    connection was given is executed, or dropped, before the next one is served."""

    def __init__(self, server, is_old=False, seed=1):
        self.server, self.is_old, self.random = server, is_old, random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.fault = None    # to be done on a connection ...
        self.after = 0       # ... that has been sent so many bytes
        self.done = 0        # faults
        self.control = server.client()
        self.ended = threading.Event()
        self.turn = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while not self.ended.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        if self.is_old:
            self.forward(client)
            return
        with self.turn:
            name = self.forward(client)
            wait_for(lambda: name not in self.control.connections(), name + " is gone")

    def forward(self, client):
        server = socket.create_connection(("127.0.0.1", self.server.port))
        name = "tcp:%s:%d" % server.getsockname()
        other = {client: server, server: client}
        sent = 0
        try:
            while not self.ended.is_set():
                for side in select.select([client, server], [], [], 0.1)[0]:
                    data = side.recv(65536)
                    if not data:
                        return name
                    if self.is_old and side is client and data == b"mn\r\n":
                        client.sendall(b"ERROR\r\n")
                    elif self.fault and sent >= self.after:
                        fault, self.fault = self.fault, None
                        self.done += 1
                        self.disturb(fault, client, other[side], data)
                    else:
                        other[side].sendall(data)
                    sent += len(data) if side is client else 0
        except OSError:
            pass
        finally:
            reset(server)
            reset(client)
        return name

    def disturb(self, fault, client, to, data):
        if fault == "cut":
            raise OSError
        if fault == "cut inside":
            to.sendall(data[:self.random.randrange(len(data))])
            raise OSError
        if fault == "half-close":
            client.shutdown(socket.SHUT_WR)
            to.sendall(data)
        elif fault == "trickle":
            for byte in data[:20]:
                self.pause(client, 0.03)
                to.sendall(bytes([byte]))
            to.sendall(data[20:])
        else:  # while a delay may be short enough, who is deaf for a second is given up
            self.pause(client, 1 if fault == "deaf" else self.random.uniform(0, 0.4))
            to.sendall(data)

    @staticmethod
    def pause(client, seconds):
        """What is in hand when the client has gone is lost."""
        gone = select.poll()
        gone.register(client, select.POLLHUP | select.POLLERR)
        if gone.poll(seconds * 1000):
            raise OSError

    def make(self, fault, seconds=60):
        """Does this to a connection under load, or to one that is just being made; waits until it has
        been done."""
        before = self.done
        self.after = self.random.choice((0, 1000, 3000, 10000, 30000, 100000))
        self.fault = fault
        wait_for(lambda: self.done > before, "a chance for a " + fault, seconds)
