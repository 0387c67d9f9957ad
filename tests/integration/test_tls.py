# SPDX-License-Identifier: Apache-2.0
"""The connection to the source is encrypted and verified, or there is none."""

import os
import re
import shutil
import subprocess

import pymysql
import pytest

from harness.daemon import BINARY
from harness.middle import Impostor, Stripper
from harness.servers import MariaDB, MySQL
from harness.tables import Column, Table
from test_command import OK, SOURCE

pytestmark = pytest.mark.source

LOG = {"log": {"plugin": "stdout"}}


class Secured:
    """A server with TLS, whose certificate can be changed, and two accounts that insist on it."""

    def __init__(self, kind, folder, certificates):
        self.certificates = certificates
        self.own = folder + "/tls"
        os.makedirs(self.own)
        self.copy("server")
        self.server = kind(folder, "--ssl-ca=%s/ca" % self.own,
                           "--ssl-cert=%s/pem" % self.own, "--ssl-key=%s/key" % self.own)
        self.server.start()
        self.shown = "server"
        for name in ("ssl", "x509"):
            self.server.run(
                "CREATE USER with_%s@'%%' IDENTIFIED BY 'repl' REQUIRE %s" % (name, name.upper()),
                "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO with_%s@'%%'" % name)

    def copy(self, name):
        for kind in ("pem", "key"):
            shutil.copy("%s/%s.%s" % (self.certificates, name, kind), "%s/%s" % (self.own, kind))
        # MySQL shows none that it does not trust itself.
        shutil.copy("%s/%s.pem" % (self.certificates, "wrong" if name == "foreign" else "right"),
                    self.own + "/ca")

    def show(self, name):
        if name != self.shown:
            self.copy(name)
            self.server.run("FLUSH SSL" if self.server.flavour == "mariadb"
                            else "ALTER INSTANCE RELOAD TLS")
            self.shown = name


@pytest.fixture(scope="module", params=[MariaDB, MySQL], ids=["mariadb", "mysql"])
def secured(request, root, certificates):
    made = Secured(request.param, "%s/tls-%s" % (root, request.param.flavour), certificates)
    yield made
    made.server.kill()


def by_tcp(server, certificates, **options):
    """How to reach the server; names of certificates stand for their files."""
    for key in ("tls_ca", "tls_cert", "tls_key"):
        if key in options:
            options[key] = "%s/%s" % (certificates, options[key])
    return {"host": "127.0.0.1", "port": server.port, "password": "repl", **options}


def client(name):
    return {"tls_cert": name + ".pem", "tls_key": name + ".key"}


def goes_without(daemon):
    """Runs it with tls = no where that won't do. Oracle's library encrypts even so where the server can,
    though it verifies nothing."""
    with open(BINARY, "rb") as file:
        is_oracle = b"libmysqlclient.so" in file.read()
    assert daemon.run("--until-current", seconds=30) == (OK if is_oracle else SOURCE), daemon.log
    assert re.search("reads" if is_oracle else "tls = yes", daemon.log), daemon.log


RIGHT = {"tls": "yes", "tls_ca": "right.pem"}


def test_a_verified_source_that_wants_a_certificate_is_followed(secured, certificates, rig, db):
    secured.show("server")
    source = secured.server
    table = Table(db, "num", [Column("id", "int", "int", nullable=False)])
    r = rig(source, [table], **by_tcp(source, certificates, user="with_x509", **RIGHT, **client("client")))
    r.daemon.start()
    source.run("INSERT INTO num VALUES (1)", database=db)
    r.settle()
    ciphers = source.run(
        "SELECT id FROM information_schema.processlist WHERE user = 'with_x509' AND command LIKE 'Binlog%'")
    assert ciphers, "who reads the binlog is another account"
    r.compare()
    r.daemon.stop()


# The certificate that the server shows, the account, what else is configured, and what is said.
REFUSED = {
    "another authority's": (
        "foreign", "with_ssl", RIGHT, "ertificate.*check tls_ca"),
    "for another host": (
        "elsewhere", "with_ssl", RIGHT, "(ertificate|verif|mismatch).*check tls_ca"),
    "expired": (
        "expired", "with_ssl", RIGHT, "(ertificate|expired).*check tls_ca"),
    "not the system's": (
        "server", "with_ssl", {"tls": "yes"}, "ertificate.*check tls_ca"),
    "no certificate of ours": (
        "server", "with_x509", RIGHT, "tls_cert and tls_key"),
    "a certificate that the server does not know": (
        "server", "with_x509", {**RIGHT, **client("stranger")}, r"cannot connect.*\((2013|2026)\)"),
    "a key that is another certificate's": (
        "server", "with_x509", {**RIGHT, "tls_cert": "client.pem", "tls_key": "stranger.key"},
        "tls_cert and tls_key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_connection_that_is_not_as_it_must_be_is_refused(name, secured, certificates, fastlane):
    shown, user, options, said = REFUSED[name]
    if name == "expired" and secured.server.flavour == "mysql":
        with pytest.raises(pymysql.MySQLError, match="Invalid certificates"):
            secured.show(shown)
        return
    secured.show(shown)
    daemon = fastlane(secured.server, LOG, **by_tcp(secured.server, certificates, user=user, **options))
    if "stranger.pem" in options.get("tls_cert", ""):
        # With TLS 1.3 the server's refusal comes, or is lost, behind what seemed to be the end.
        daemon.start("--until-current")
        daemon.wait_for(lambda: re.search(said, daemon.log), said, 20)
        assert "reads" not in daemon.log
        daemon.kill()
        return
    assert daemon.run("--until-current", seconds=30) == SOURCE, daemon.log
    assert re.search(said, daemon.log), daemon.log


def test_a_server_that_takes_no_other_than_tls_says_so(secured, certificates, fastlane):
    secured.show("server")
    source = secured.server
    source.set_global(require_secure_transport="ON")
    try:
        goes_without(fastlane(source, LOG, **by_tcp(source, certificates, user="repl", tls="no")))
    finally:
        source.set_global(require_secure_transport="OFF")
    goes_without(fastlane(source, LOG, **by_tcp(source, certificates, user="with_ssl", tls="no")))


def test_who_strips_tls_on_the_way_learns_nothing(secured, certificates, fastlane):
    secured.show("server")
    middle = Stripper(secured.server.port)
    try:
        options = by_tcp(secured.server, certificates, user="repl", **RIGHT)
        daemon = fastlane(secured.server, LOG, **{**options, "port": middle.port})
        assert daemon.run("--until-current", seconds=30) == SOURCE, daemon.log
        assert re.search("(SSL|TLS).*required", daemon.log), daemon.log
        assert middle.stripped == 1
        # Neither the account's name nor anything made of its password.
        assert middle.heard == b""
        # What it would get from somebody who does not ask for TLS.
        plain = fastlane(secured.server, LOG, **{**options, "port": middle.port, "tls": "no"})
        plain.run("--until-current", seconds=30)
        assert b"repl\0" in middle.heard
    finally:
        middle.close()


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog"])
def test_a_password_is_not_told_to_who_asks_for_it_in_clear(plugin, mariadb, fastlane):
    impostor = Impostor(plugin)
    try:
        daemon = fastlane(mariadb, LOG, host="127.0.0.1", port=impostor.port, password="Sesam-offne-dich")
        assert daemon.run("--until-current", seconds=30) == SOURCE, daemon.log
        assert b"repl\0" in impostor.heard
        assert b"Sesam" not in impostor.heard
    finally:
        impostor.close()


@pytest.mark.parametrize("options, said", [
    (["--skip-ssl"], "(SSL|TLS).*required"),
    # Its library has no such versions unless it is told to have no standards.
    (["--tls-version=TLSv1.1", "--ssl-cipher=DEFAULT@SECLEVEL=0"], "TLS 1.2 or newer"),
], ids=["none", "1.1"])
def test_a_server_without_a_tls_that_is_safe_is_refused(
        options, said, certificates, fastlane, start_server):
    source = start_server(MariaDB, "--ssl-ca=%s/right.pem" % certificates,
                          "--ssl-cert=%s/server.pem" % certificates,
                          "--ssl-key=%s/server.key" % certificates, *options)
    if "--skip-ssl" not in options:
        # It is there, for who takes it.
        with_old = subprocess.run(
            ["openssl", "s_client", "-starttls", "mysql", "-connect", "127.0.0.1:%d" % source.port,
             "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        assert "TLSv1.1" in with_old.stdout, with_old.stdout + with_old.stderr
    daemon = fastlane(source, LOG, **by_tcp(source, certificates, **RIGHT))
    assert daemon.run("--until-current", seconds=30) == SOURCE, daemon.log
    assert re.search(said, daemon.log), daemon.log
