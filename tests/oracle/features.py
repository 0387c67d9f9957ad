# SPDX-License-Identifier: Apache-2.0
"""What the generator can put into a script. Each seed takes some of them."""

# name -> (servers that have it, share of the seeds that use it, what it is)
FEATURES = {
    "transactions": ("all", 0.95, "several sessions, savepoints, rollbacks"),
    "keys": ("all", 0.7, "tables without a key, with composite, prefix and text keys"),
    "wide": ("all", 0.2, "up to 130 columns"),
    "names": ("all", 0.3, "identifiers with blanks, quotes, dots and letters of any script"),
    "types": ("all", 1.0, "columns of every type"),
    "json": ("mariadb mysql", 0.5, "JSON columns"),
    "generated": ("mariadb mysql", 0.5, "generated, virtual and invisible columns"),
    # MySQL 5.6 does not tell when a partitioned table was altered: all of its rows are in doubt.
    "partitions": ("mariadb mysql", 0.3, "partitioned tables"),
    "engines": ("all", 0.3, "MyISAM, and Aria in MariaDB"),
    "triggers": ("all", 0.5, "triggers and procedures that change other tables"),
    "foreign_keys": ("all", 0.4, "foreign keys; cascades where the server logs them"),
    "bulk": ("all", 0.5, "statements over many rows: INSERT ... SELECT, joins, LOAD DATA"),
    "ddl": ("all", 0.8, "ALTER, RENAME, TRUNCATE, DROP and CREATE between the rows"),
    "xa": ("all", 0.5, "XA transactions: committed, rolled back, in one phase, left by their session"),
    "rotation": ("all", 0.5, "FLUSH BINARY LOGS and changes of the checksum"),
    "annotations": ("all", 0.4, "the statements' text beside their rows"),
    "domains": ("mariadb", 0.3, "GTIDs of several domains"),
    "tags": ("mysql", 0.4, "GTIDs with tags, and of other servers"),
    "versioned": ("mariadb", 0.3, "system-versioned tables, whose history is in the log"),
    "sequences": ("mariadb", 0.3, "sequences, and keys that come of them"),
    "two_phase_alter": ("mariadb", 0.3, "ALTER TABLE that is logged twice"),
    "hidden_key": ("mysql", 0.3, "primary keys that the server makes up"),
    "geometry": ("all", 0.4, "geometry columns"),
    "vectors": ("mariadb118 mysql", 0.4, "VECTOR columns"),
    "restarts": ("all", 0.3, "fastlane is stopped, or killed, and started again"),
    "charsets": ("all", 0.4, "columns in all character sets of the server"),
    "images": ("all", 0.3, "row images that are not full"),
    "partial_json": ("mysql", 0.4, "JSON updates that are logged as differences"),
    "compression": ("mariadb mysql", 0.4, "compressed transactions or events"),
    "compressed_columns": ("mariadb", 0.4, "columns that are COMPRESSED"),
    "net_types": ("mariadb", 0.4, "INET4, INET6 and UUID columns"),
    "xa_restarts": ("all", 0.3, "XA transactions that are prepared while fastlane is restarted"),
    "big": ("all", 1.0, "events around and beyond 16 MiB"),
}

# Not in a seed unless it is asked for.
BY_OPTION = ("big",)


def has(feature, server):
    """`server`: mariadb, mariadb118, mysql or mysql56."""
    names = FEATURES[feature][0].split()
    return "all" in names or server in names or (server == "mariadb118" and "mariadb" in names)


def choose(server, names=None, without=()):
    """The features for a server. `names`: None or `all` for all but those by option."""
    for name in (*(names or ()), *without):
        if name not in FEATURES and name != "all":
            raise ValueError("no feature '%s'" % name)
    if names is None or "all" in names:
        names = [name for name in FEATURES if name not in BY_OPTION or name in (names or ())]
    return [name for name in FEATURES
            if name in names and name not in without and has(name, server)]
