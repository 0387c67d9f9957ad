# SPDX-License-Identifier: Apache-2.0
"""What the caches hold of a table."""

from .tables import memcached_key


def in_redis(client, table):
    keys = list(client.scan_iter(match=table.name + ":*", count=1000))
    found = {}
    for start in range(0, len(keys), 500):
        some = keys[start:start + 500]
        found.update(zip((key.decode() for key in some), client.mget(some)))
    return found


def in_memcached(client, table, server):
    """Keys that are there but not in the database are found too, under memcached's name."""
    prefix = table.name + ":"
    keys = {key for key in client.keys() if key.startswith(prefix)}
    raw = {memcached_key(key): key for key in table.rows(server)}
    found = {raw.get(key, key): client.get(key) for key in keys | raw.keys()}
    return {key: value for key, value in found.items() if value is not None}
