# SPDX-License-Identifier: Apache-2.0
"""The servers that scripts run on."""

import pymysql

from harness.servers import MariaDB, MariaDB118, MySQL, MySQL56

XA_RBROLLBACK = 1402
SERVERS = {"mariadb": MariaDB, "mariadb118": MariaDB118, "mysql": MySQL, "mysql56": MySQL56}


def reset(source):
    """What a script may have left: global settings, and XA transactions without a session."""
    source.run("SET GLOBAL binlog_checksum = CRC32")
    if source.flavour == "mariadb":
        source.run("SET GLOBAL log_bin_compress = OFF")
    for row in source.run("XA RECOVER FORMAT='SQL'" if source.flavour == "mariadb"
                          else "XA RECOVER CONVERT XID" if source.version >= (5, 7)
                          else "XA RECOVER"):
        xid = row[3] if source.flavour == "mariadb" else None
        if xid is None:
            data = row[3][2:] if row[3].startswith("0x") else row[3].encode().hex()
            gtrid, bqual = int(row[1]) * 2, int(row[2]) * 2
            xid = "x'%s',x'%s',%s" % (data[:gtrid], data[gtrid:gtrid + bqual], row[0])
        try:
            source.run("XA ROLLBACK %s" % xid)
        except pymysql.err.OperationalError as error:
            if error.args[0] != XA_RBROLLBACK:  # it is gone, as it should be
                raise


def partial(source, text):
    """Whether columns may be absent from row images when that script runs. MariaDB since 11 leaves
    generated ones out of updates and deletes, also where binlog_row_image is FULL."""
    text = text.lower()
    generated = source.flavour == "mariadb" and source.version >= (11,) and "generated" in text
    return generated or "binlog_row_image" in text


def start_position(source):
    """Where the log ends, as fastlane's configuration has it: a line of that is not long."""
    gtids = source.gtids()
    return gtids if 0 < len(gtids) < 150 else source.file_position()
