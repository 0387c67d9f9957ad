# SPDX-License-Identifier: Apache-2.0
"""What the daemon says over HTTP."""

import http.client
import json
import re
import socket

SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class Client:
    """One connection that is kept open."""

    def __init__(self, port, timeout=70):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def get(self, path, method="GET", **headers):
        self.connection.request(method, path, headers=headers)
        return Answer(self.connection.getresponse())

    def close(self):
        self.connection.close()


def get(port, path, method="GET", **headers):
    """On a connection of its own."""
    client = Client(port)
    try:
        return client.get(path, method, **headers)
    finally:
        client.close()


def wait(client, gtid, sink="hot", timeout_ms=10000):
    name = "pos" if ":" in gtid and "-" not in gtid else "gtid"
    return client.get("/wait?%s=%s&sink=%s&timeout_ms=%d" % (name, gtid, sink, timeout_ms))


def metrics(port):
    """(name, sink or other label's value, ...) -> value."""
    found = {}
    for line in get(port, "/metrics").text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        key = (name, *(value for label, value in LABEL.findall(labels or "") if label != "plugin"))
        assert key not in found, line
        found[key] = float(value)
    return found


def raw(port, data, timeout=10):
    """Sends these bytes; what comes back until the other side closes, or nothing comes any more."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_all(connection)


def read_all(connection):
    got = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return got
            got += piece
    except ConnectionResetError:
        return got
