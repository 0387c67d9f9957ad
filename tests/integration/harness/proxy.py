# SPDX-License-Identifier: Apache-2.0
"""A network between fastlane and a server, to be made a bad one.

What it does to connections, it does to those that there are; what it does to the way (holding back,
delaying, narrowing), to all of them until it is told otherwise. `up` is from fastlane to the server."""

import select
import socket
import struct
import threading
import time

UP, DOWN = "up", "down"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing drops what was not sent, and says so


class Connection:
    """Two sockets, and a thread for each way."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.ended = None  # "reset" or "close": both ways are to end like that
        self.open_ways = 2
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self.pump, args=way, daemon=True)
            for way in ((UP, client, server), (DOWN, server, client))
        ]

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self, how):
        """"reset": both sides see a RST, "close": a FIN, after what is under way."""
        self.ended = self.ended or how
        for end in (self.client, self.server):
            try:
                # Reading alone, which nobody sees: the thread wakes, and closes it as it is to be.
                end.shutdown(socket.SHUT_RD)
            except OSError:
                pass

    def half_close(self, towards):
        """`client` or `server` finds the end of what it is sent, and may go on sending."""
        try:
            getattr(self, towards).shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def pump(self, way, source, sink):
        try:
            while self.ended is None:
                data = source.recv(65536)
                if not data:
                    break
                if not self.proxy.let_through(self, way, len(data)) or not self.is_wanted(source):
                    break
                self.send(way, sink, data)
            if self.ended is None:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.end("reset")
        with self.lock:
            self.open_ways -= 1
            last = self.open_ways == 0
        if last:
            self.close()

    def is_wanted(self, source):
        """Whoever has reset the connection meanwhile takes back what is still under way - unless
        somebody on the way has kept it, and passes it on however late."""
        error = source.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error and not self.proxy.keeps:
            raise OSError(error, "reset")
        return True

    def send(self, way, sink, data):
        view = memoryview(data)
        while view and self.ended is None:
            size = self.proxy.portion(way, len(view))
            if size == 0 or not select.select([], [sink], [], 0.05)[1]:
                continue
            view = view[sink.send(view[:size], socket.MSG_DONTWAIT):]

    def close(self):
        for end in (self.client, self.server):
            if self.ended == "reset":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.close()
        self.proxy.forget(self)


class Proxy:
    """Listens on a port of its own (`port`) on 127.0.0.1 for as long as it lives, and connects on to
    `target`. `keeps`: what was held back is passed on even if its sender has given the connection
    up since, as any proxy may do (a router would not)."""

    def __init__(self, target, keeps=False):
        self.target, self.keeps = target, keeps
        self.state = threading.Condition()
        self.connections = set()
        self.held = set()
        self.seconds = 0.0  # that each portion takes
        self.rate = None    # bytes a second, each way
        self.passed = {UP: 0, DOWN: 0}
        self.closing = False
        self.accepted, self.refused_from = 0, None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                if self.refused_from is not None and self.accepted >= self.refused_from:
                    raise OSError("refused")
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client, server)
            with self.state:
                if self.closing:
                    connection.close()
                    return
                self.connections.add(connection)
            connection.start()

    def forget(self, connection):
        # close() may come from accept(), which holds the lock already; discarding is safe as it is.
        self.connections.discard(connection)

    # What the connections' threads ask.

    def let_through(self, connection, way, size):
        """Waits until the way is open: False if the connection was ended meanwhile."""
        with self.state:
            self.passed[way] += size
            delay = self.seconds
        if delay:
            until = time.monotonic() + delay
            while connection.ended is None and time.monotonic() < until and self.seconds:
                threading.Event().wait(min(0.02, delay))
        with self.state:
            self.state.wait_for(
                lambda: way not in self.held or connection.ended or self.closing)
            return connection.ended is None

    def portion(self, way, size):
        """How much may be sent now: 0 after a moment in which nothing may."""
        rate = self.rate
        if rate is None:
            return size
        # One portion 50 times a second.
        threading.Event().wait(0.02)
        return min(size, max(1, rate // 50))

    # What tests do.

    def current(self):
        with self.state:
            return list(self.connections)

    def refuse_from(self, number):
        """Of the connections from now on, those from this one on; None: none."""
        self.accepted, self.refused_from = 0, number

    def cut(self, how="reset"):
        """Ends all connections; returns how many there were."""
        connections = self.current()
        for connection in connections:
            connection.end(how)
        with self.state:
            self.state.notify_all()
        return len(connections)

    def half_close(self, towards):
        for connection in self.current():
            connection.half_close(towards)

    def hold(self, *ways):
        """Silently passes nothing on any more, as a network that drops all packets; connections
        can still be made, and stay silent. Nothing is lost: it goes on with release()."""
        with self.state:
            self.held.update(ways or (UP, DOWN))

    def release(self):
        with self.state:
            self.held.clear()
            self.state.notify_all()

    def delay(self, seconds):
        with self.state:
            self.seconds = seconds

    def narrow(self, rate):
        with self.state:
            self.rate = rate

    def heal(self):
        self.delay(0.0)
        self.narrow(None)
        self.release()

    def close(self):
        with self.state:
            self.closing = True
            self.state.notify_all()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()
        self.thread.join()
