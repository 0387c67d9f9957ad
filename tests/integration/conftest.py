# SPDX-License-Identifier: Apache-2.0
import itertools
import os
import shutil
import tempfile

import pytest

from harness import certificates as authorities
from harness.daemon import BINARY, Fastlane
from harness.rig import Rig
from harness.servers import MariaDB, MariaDB118, MemcachedServer, MySQL, MySQL56, Redis

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "source: what depends on the client library")
    config.addinivalue_line("markers", "threads: a run for ThreadSanitizer")
    if not os.path.exists(BINARY):
        pytest.exit("no %s: build it, and name the build directory in FASTLANE_BUILD" % BINARY, 4)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and report.when == "call":
        for daemon in item.funcargs.get("daemons", ()):
            report.sections.append(("log of " + daemon.dir, daemon.log[-8000:]))


def pytest_terminal_summary(terminalreporter, config):
    told = [value for name in ("passed", "failed") for report in terminalreporter.stats.get(name, ())
            for key, value in report.user_properties if key == "figure"]
    if told:
        terminalreporter.section("figures")
        for line in told:
            terminalreporter.line(line)
    path = os.environ.get("FASTLANE_TALLY")
    if path and not hasattr(config, "workerinput"):
        stats = terminalreporter.stats
        failed = sum(len(stats.get(name, ())) for name in ("failed", "error", "skipped"))
        with open(path, "a") as file:
            print(len(stats.get("passed", ())), failed, "integration tests", file=file)


@pytest.fixture
def figures(request):
    """Adds a line to the figures that are shown at the end."""
    return lambda text: request.node.user_properties.append(
        ("figure", "%s: %s" % (request.node.name, text)))


@pytest.fixture(scope="session")
def root():
    """A short path: a unix socket's address has room for 107 bytes."""
    path = tempfile.mkdtemp(prefix="fastlane-")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def certificates(root):
    """The folder that harness/certificates.py describes."""
    return authorities.make(root + "/certificates")


@pytest.fixture
def folder(root):
    path = "%s/%d" % (root, next(_numbers))
    os.mkdir(path)
    return path


def server_fixture(kind, scope):
    @pytest.fixture(scope=scope)
    def server(root):
        server = kind("%s/s%d" % (root, next(_numbers)))
        yield server.start()
        server.kill()
    return server


mariadb = server_fixture(MariaDB, "session")
mariadb118 = server_fixture(MariaDB118, "session")
mysql = server_fixture(MySQL, "session")
mysql56 = server_fixture(MySQL56, "session")
shared_redis = server_fixture(Redis, "session")
shared_memcached = server_fixture(MemcachedServer, "session")


def source_fixture(names):
    @pytest.fixture(params=names)
    def source(request):
        server = request.getfixturevalue(request.param)
        yield server
        server.restore()
    return source


# The two servers that most tests use, and all of them; shared by all tests, with the settings they
# started with.
source = source_fixture(["mariadb", "mysql"])
any_source = source_fixture(["mariadb", "mariadb118", "mysql", "mysql56"])


@pytest.fixture
def redis(shared_redis):
    shared_redis.client().flushall()
    return shared_redis


@pytest.fixture
def memcached(shared_memcached):
    client = shared_memcached.client()
    client.send("flush_all")
    assert client.line() == b"OK"
    return shared_memcached


@pytest.fixture
def start_server(root):
    """Starts servers of a test's own: start_server(Redis, "--appendonly", "yes")."""
    servers = []

    def start(kind, *options):
        server = kind("%s/s%d" % (root, next(_numbers)), *options)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()
        shutil.rmtree(server.dir, ignore_errors=True)  # they come to gigabytes


@pytest.fixture
def daemons():
    """All daemons of a test; none is left behind."""
    started = []
    yield started
    for daemon in started:
        daemon.kill()
    for daemon in started:
        if daemon.process:
            daemon.check_log()


@pytest.fixture
def fastlane(folder, daemons):
    """Makes a daemon of the test's own, not yet started."""
    def make(source, sinks, maps=(), **options):
        daemon = Fastlane("%s/d%d" % (folder, len(daemons)), source, sinks, maps, **options)
        daemons.append(daemon)
        return daemon
    return make


@pytest.fixture
def db():
    return "t%d" % next(_numbers)


@pytest.fixture
def rig(folder, daemons, db, redis, memcached):
    """Makes a source with tables, the sinks and a daemon, not yet started."""
    def make(source, tables, redis=redis, memcached=memcached, **options):
        made = Rig(folder, db, source, redis, memcached, tables, **options)
        daemons.append(made.daemon)
        return made
    return make
