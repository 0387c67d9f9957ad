# SPDX-License-Identifier: Apache-2.0
"""Who stands between fastlane and its source, or in the source's place, and means no good."""

import socket
import struct
import threading

CLIENT_SSL = 0x800


def packet(number, payload):
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def receive_packet(connection):
    head = receive(connection, 4)
    return receive(connection, head[0] | head[1] << 8 | head[2] << 16)


class Listener:
    """Serves one connection after the other, on a port of its own, until it is closed. `heard` is
    all that fastlane has sent."""

    def __init__(self):
        self.heard = b""
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            client.settimeout(10)
            with client:
                try:
                    self.serve(client)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Stripper(Listener):
    """Passes all on to the server, but takes away that it can do TLS."""

    def __init__(self, target):
        self.target = target
        self.stripped = 0
        super().__init__()

    def serve(self, client):
        with socket.create_connection(("127.0.0.1", self.target), timeout=10) as server:
            greeting = bytearray(receive_packet(server))
            # version, text, thread id, scramble, filler
            at = greeting.index(0, 1) + 1 + 4 + 8 + 1
            capabilities = struct.unpack_from("<H", greeting, at)[0]
            assert capabilities & CLIENT_SSL, "the server has no TLS"
            struct.pack_into("<H", greeting, at, capabilities & ~CLIENT_SSL)
            self.stripped += 1
            client.sendall(packet(0, bytes(greeting)))
            back = threading.Thread(target=self.pump, args=(server, client), daemon=True)
            back.start()
            try:
                while data := client.recv(65536):
                    self.heard += data
                    server.sendall(data)
            finally:
                try:
                    server.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                back.join()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass


class Impostor(Listener):
    """A server that wants the password as it is."""

    def __init__(self, plugin=b"mysql_clear_password"):
        self.plugin = plugin
        super().__init__()

    def serve(self, client):
        # PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB; no TLS
        capabilities = 0x00000001 | 0x00000200 | 0x00008000 | 0x00080000
        greeting = (b"\x0a" + b"10.11.8-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0" +
                    struct.pack("<H", capabilities & 0xffff) + b"\x2d" + struct.pack("<H", 2) +
                    struct.pack("<H", capabilities >> 16) + b"\x15" + b"\0" * 10 +
                    b"123456789012\0" + b"mysql_native_password\0")
        client.sendall(packet(0, greeting))
        self.heard += receive_packet(client)
        client.sendall(packet(2, b"\xfe" + self.plugin + b"\0"))
        while data := client.recv(65536):
            self.heard += data
