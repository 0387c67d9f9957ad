# SPDX-License-Identifier: Apache-2.0
"""Replication between two real servers, and what an operator does with it."""

from .servers import MariaDB
from .wait import wait_for

# What a server needs for being a replica that can be promoted.
OPTIONS = {
    "mariadb": ("--log-slave-updates=ON", "--slave-net-timeout=2"),
    "mysql": ("--log-replica-updates=ON", "--replica-net-timeout=2"),
}


def replicate(replica, primary):
    if replica.flavour == "mariadb":
        replica.run(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %d, MASTER_USER = 'repl', "
            "MASTER_PASSWORD = 'repl', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos"
            % primary.port, "START SLAVE")
    else:
        replica.run(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = "
            "'repl', SOURCE_PASSWORD = 'repl', SOURCE_CONNECT_RETRY = 1, SOURCE_AUTO_POSITION = 1, "
            "GET_SOURCE_PUBLIC_KEY = 1" % primary.port, "START REPLICA")
    replica.set_global(read_only=1)


def stop(replica):
    replica.run("STOP SLAVE" if replica.flavour == "mariadb" else "STOP REPLICA")


def promote(replica):
    word = "SLAVE" if replica.flavour == "mariadb" else "REPLICA"
    replica.run("STOP " + word, "RESET %s ALL" % word, "SET GLOBAL read_only = 0")


def has_all(replica, gtids):
    if replica.flavour == "mariadb":
        has = set(replica.value("SELECT @@gtid_binlog_pos").split(","))
        return has >= set(gtids.split(","))
    return replica.value("SELECT GTID_SUBSET('%s', @@global.gtid_executed)" % gtids) == "1"


def catch_up(replica, primary):
    gtids = primary.gtids()
    wait_for(lambda: has_all(replica, gtids), "the replica has " + gtids)


def pair(start_server, kind, *options):
    """A primary and its replica."""
    more = OPTIONS["mariadb" if issubclass(kind, MariaDB) else "mysql"]
    primary, replica = (start_server(kind, *more, *options) for _ in range(2))
    replicate(replica, primary)
    return primary, replica


def address(server):
    return "127.0.0.1:%d" % server.port


def hosts(*servers):
    return ", ".join(address(server) for server in servers)
