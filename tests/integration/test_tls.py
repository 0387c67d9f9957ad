# SPDX-License-Identifier: Apache-2.0
"""The connection to the source is encrypted and verified, or there is none."""

import re
import subprocess

import pytest

from harness.servers import MariaDB, MySQL
from harness.tables import Column, Table
from test_command import SOURCE


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(root):
    """Two authorities, and a server's certificate of each: for 127.0.0.1 and for elsewhere."""
    def key(name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", "%s/%s.key" % (root, name)]

    for ca, address in (("right", "IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example")):
        openssl("req", "-x509", "-subj", "/CN=" + ca, "-days", "2", *key(ca),
                "-out", "%s/%s.pem" % (root, ca))
        server = "%s-server" % ca
        openssl("req", "-new", "-subj", "/CN=" + server, *key(server),
                "-out", "%s/%s.csr" % (root, server))
        with open("%s/%s.ext" % (root, server), "w") as file:
            file.write("subjectAltName=" + address)
        openssl("x509", "-req", "-in", "%s/%s.csr" % (root, server), "-days", "2",
                "-CA", "%s/%s.pem" % (root, ca), "-CAkey", "%s/%s.key" % (root, ca),
                "-CAcreateserial", "-extfile", "%s/%s.ext" % (root, server),
                "-out", "%s/%s.pem" % (root, server))
    return root


def start(start_server, kind, certificates, name):
    return start_server(
        kind, "--ssl-ca=%s/%s.pem" % (certificates, name),
        "--ssl-cert=%s/%s-server.pem" % (certificates, name),
        "--ssl-key=%s/%s-server.key" % (certificates, name))


@pytest.mark.source
@pytest.mark.parametrize("kind", [MariaDB, MySQL])
def test_a_verified_source_is_followed(kind, certificates, rig, db, start_server):
    source = start(start_server, kind, certificates, "right")
    source.run("ALTER USER repl@'%' REQUIRE SSL")
    table = Table(db, "num", [Column("id", "int", "int", nullable=False)])
    r = rig(source, [table], host="127.0.0.1", port=source.port, tls="yes",
            tls_ca=certificates + "/right.pem")
    r.daemon.start()
    source.run("INSERT INTO num VALUES (1)", database=db)
    r.settle()
    r.compare()
    r.daemon.stop()


@pytest.mark.source
@pytest.mark.parametrize("kind", [MariaDB, MySQL])
@pytest.mark.parametrize("own, trusted", [("right", "wrong"), ("wrong", "wrong")])
def test_a_source_that_cannot_be_verified_is_refused(
        kind, own, trusted, certificates, fastlane, start_server):
    source = start(start_server, kind, certificates, own)
    daemon = fastlane(source, {"log": {"plugin": "stdout"}}, host="127.0.0.1", port=source.port,
                      tls="yes", tls_ca="%s/%s.pem" % (certificates, trusted))
    assert daemon.run("--until-current") == SOURCE
    assert re.search("certificate", daemon.log), daemon.log


@pytest.mark.source
def test_a_source_without_tls_is_refused_when_tls_is_asked_for(fastlane, start_server):
    source = start_server(MariaDB, "--skip-ssl")
    daemon = fastlane(source, {"log": {"plugin": "stdout"}}, host="127.0.0.1", port=source.port,
                      tls="yes")
    assert daemon.run("--until-current") == SOURCE
    assert re.search("SSL|TLS", daemon.log), daemon.log
