# SPDX-License-Identifier: Apache-2.0
"""TLS to Redis, where hiredis has it; where it has not, one is told."""

import os
import re

import pytest

from harness.daemon import command
from harness.servers import Redis, free_port
from harness.tables import Column, Table
from harness.wait import wait_for
from test_command import CONFIGURATION

pytestmark = pytest.mark.source  # of the two builds one has another hiredis

SECTIONS = """\
[source]
port = 1
user = repl
server_id = 4711
[sink:hot]
plugin = redis
tls = yes
[map:m]
table = a.b
key = m:{id}
"""


def has_tls(folder):
    path = folder + "/a.ini"
    with open(path, "w") as file:
        file.write(SECTIONS)
    done = command("-c", path, "--check")
    assert done.returncode in (0, CONFIGURATION)
    if done.returncode:
        assert re.search(r"a\.ini:7: \[sink:hot\] tls = yes: the hiredis that fastlane was built with has no "
                         r"TLS: .*stunnel", done.stderr), done.stderr
    return done.returncode == 0


def test_a_redis_is_verified_or_not_written_to(mariadb, rig, db, start_server, certificates, folder):
    if not has_tls(folder):
        assert "FASTLANE_REDIS_TLS" not in os.environ
        return
    port = free_port()

    def show(name):
        return ["--tls-cert-file", "%s/%s.pem" % (certificates, name),
                "--tls-key-file", "%s/%s.key" % (certificates, name)]

    redis = start_server(Redis, "--tls-port", str(port), "--tls-ca-cert-file", certificates + "/right.pem",
                         "--tls-auth-clients", "yes", *show("server"))
    table = Table(db, "num", [Column("id", "int", "int", nullable=False)])
    r = rig(mariadb, [table], redis=redis)
    hot = r.daemon.sections["sink:hot"]
    ours = {"tls_cert": certificates + "/client.pem", "tls_key": certificates + "/client.key"}
    right = {"address": "127.0.0.1:%d" % port, "tls": "yes", "tls_ca": certificates + "/right.pem", **ours}
    cases = [
        ("server", {**right, "tls_ca": certificates + "/wrong.pem"}, "certificate verify failed.*tls_ca"),
        ("server", {key: right[key] for key in right if key != "tls_ca"}, "certificate verify failed.*tls_ca"),
        ("elsewhere", right, "mismatch: check tls_ca"),
        ("expired", right, "has expired: check tls_ca"),
        ("server", {key: right[key] for key in right if key not in ours}, "certificate required|alert|closed|reset"),
        ("server", {**right, "tls_key": certificates + "/stranger.key"}, "tls_key can't be used, or is not"),
        ("server", {**right, "address": "127.0.0.1:%d" % redis.port}, "wrong version number|TLS to"),
    ]
    for name, options, said in cases:
        names = show(name)
        r.redis.execute_command("CONFIG", "SET", "tls-cert-file", names[1], "tls-key-file", names[3])
        hot.clear()
        hot.update({"plugin": "redis", **options})
        r.daemon.write()
        before = len(r.daemon.log)
        r.daemon.start()
        r.daemon.wait_for(lambda: re.search(r"\[hot\] .*(%s)" % said, r.daemon.log[before:]) or
                          not r.daemon.running, said, 20)
        assert re.search(r"\[hot\] .*(%s)" % said, r.daemon.log[before:]), r.daemon.log[before:]
        assert r.redis.dbsize() == 0, name
        r.daemon.kill()
    r.redis.execute_command("CONFIG", "SET", "tls-cert-file", show("server")[1], "tls-key-file", show("server")[3])
    hot.clear()
    hot.update({"plugin": "redis", **right})
    r.daemon.write()
    r.daemon.start()
    mariadb.run("INSERT INTO num VALUES " + ",".join("(%d)" % n for n in range(5000)), "DELETE FROM num WHERE id < 9",
                database=db)
    r.settle()
    r.compare(sinks=("hot",))
    assert redis.client().execute_command("INFO", "clients")
    # It notices a death, and is there again.
    redis.kill()
    r.daemon.wait_log(r"warn +\[hot\]")
    redis.start()
    r.reconnect()
    wait_for(lambda: r.redis.get("fastlane:position:hot"), "the sink again")
    r.settle_anew(sinks=("hot",))
    r.daemon.stop()
