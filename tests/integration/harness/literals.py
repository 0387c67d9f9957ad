# SPDX-License-Identifier: Apache-2.0
"""Values as SQL literals, and what a server has."""


def text(value):
    return "_utf8mb4 x'%s'" % value.encode().hex()


def octets(value):
    return "x'%s'" % value.hex()


def quoted(*values):
    return ["'%s'" % value for value in values]


def offers(server, **since):
    """Whether the server is at least of the version that stands for its flavour."""
    return server.flavour in since and server.version >= since[server.flavour]
