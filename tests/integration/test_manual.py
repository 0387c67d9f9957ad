# SPDX-License-Identifier: Apache-2.0
"""The manual's examples are tried: each is taken by --check, and what it says becomes of a change is what
--explain makes of it."""

import contextlib
import glob
import itertools
import json
import os
import re
import shutil
import subprocess

import pytest

from harness import manual
from harness.daemon import BINARY, ENVIRONMENT, PLUGINS, Fastlane, command
from harness.explained import explain
from harness.servers import MariaDB, free_port
from harness.wait import wait_for

OUTPUTS = manual.all_blocks("output")
EXAMPLES = manual.all_blocks("example")
TABLES = "".join(block.text for block in manual.all_blocks("tables")).replace("\n", " ").split(";")[:-1]
DATABASES = ("shop", "shop_1", "shop_23")


def make_tables(source):
    source.run(*("DROP DATABASE IF EXISTS " + name for name in DATABASES),
               *("CREATE DATABASE " + name for name in DATABASES), *TABLES)


class Tried:
    """The examples' changes, done at a source, and what stdout prints of each."""

    def __init__(self, source, folder):
        self.source = source
        self.lines = {}  # (where, number of the change) -> lines
        start, ends = source.gtids() or "earliest", []
        for block in EXAMPLES + OUTPUTS:
            if not block.changes:
                continue
            make_tables(source)
            with source.connect() as connection, connection.cursor() as cursor:
                for number, (change, _) in enumerate(block.changes):
                    first = self.sequence()
                    if not change.startswith("{"):
                        cursor.execute(change)
                    ends.append(((block.where, number), first, self.sequence()))
        make_tables(source)
        printed = {}
        for geometry in ("wkb", "geojson"):
            daemon = Fastlane("%s/%s" % (folder, geometry), source, {"log": {"plugin": "stdout"}},
                              start=start, geometry=geometry)
            assert daemon.run("--until-current") == 0, daemon.log
            for line in open(daemon.out, encoding="utf-8"):
                number = int(json.loads(line)["gtid"].rsplit("-")[-1])
                printed.setdefault((geometry, number), []).append(line)
        for key, first, last in ends:
            for geometry in ("wkb", "geojson"):
                self.lines[key, geometry] = [
                    line for number in range(first + 1, last + 1) for line in printed[geometry, number]]

    def sequence(self):
        return int((self.source.gtids() or "0").rsplit("-")[-1])

    def of(self, block, number, geometry):
        change = block.changes[number][0]
        return [change + "\n"] if change.startswith("{") else self.lines[(block.where, number), geometry]


@pytest.fixture(scope="module")
def tried(mariadb, root):
    yield Tried(mariadb, root + "/manual")
    mariadb.run(*("DROP DATABASE IF EXISTS " + name for name in DATABASES))


def variants(settings):
    """With "; or A, B" behind a value, it is also each of these."""
    choices = []
    for _, keys in settings:
        for _, value in keys:
            value, *others = re.split(" +; or |, ", value) if " ; or " in value else [value]
            choices.append([value, *others])
    for chosen in itertools.product(*choices):
        chosen = iter(chosen)
        yield [[section, [[key, next(chosen)] for key, _ in keys]] for section, keys in settings]


def completed(settings, folder, source):
    """A whole configuration, with places that are there."""
    sections = {section: dict(keys) for section, keys in settings}
    sections.setdefault("[fastlane]", {}).setdefault("state_dir", "/var/lib/fastlane")
    own = sections.setdefault("[source]", {})
    if not {"host", "hosts", "socket", "port"} & own.keys():
        own["socket"] = source.socket
    for key, value in (("user", "repl"), ("server_id", "4711")):
        own.setdefault(key, value)
    if not {"password", "password_file"} & own.keys():
        own["password"] = "repl"
    if not any(name.startswith("[sink:") for name in sections):
        sections["[sink:hot]"] = {"plugin": "redis"}
    takes_keys = any(keys.get("plugin") != "stdout"
                     for name, keys in sections.items() if name.startswith("[sink:"))
    if takes_keys and not any(name.startswith("[map:") for name in sections):
        sections["[map:users]"] = {"table": "shop.users", "key": "user:{id}"}
    os.makedirs(folder + "/state", exist_ok=True)
    for name, text in (("password", "repl"), ("redis-password", "x"), ("memcached-password", "x"), ("ca", "")):
        with open("%s/%s" % (folder, name), "w") as file:
            file.write(text)
        os.chmod("%s/%s" % (folder, name), 0o600)
    text = "".join("%s\n%s" % (name, "".join("%s = %s\n" % item for item in keys.items()))
                   for name, keys in sections.items())
    for place, there in (
            ("/var/lib/fastlane", folder + "/state"), ("/etc/fastlane/", folder + "/"),
            ("/etc/ssl/certs/db-ca.pem", folder + "/ca"), ("/usr/local/lib/fastlane", PLUGINS),
            ("/opt/fastlane", PLUGINS), ("/run/mysqld/mysqld.sock", source.socket),
            ("db1.internal", "127.0.0.1"), ("db2.internal", "127.0.0.1"), ("3307", str(source.port))):
        text = text.replace(place, there)
    path = folder + "/example.ini"
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


NOT_ASKED = re.compile(r"warning: .*: the maps are not checked against the source's tables: .*\n")


@pytest.mark.parametrize("block", EXAMPLES, ids=[block.where for block in EXAMPLES])
def test_examples_are_taken_and_do_what_they_say(block, tried, mariadb, folder):
    paths = []
    for settings in variants(block.settings):
        path = completed(settings, folder, mariadb)
        done = command("-c", path, "--check")
        said = done.stderr
        if "[source]" in block.text:  # one that need not be there
            said = NOT_ASKED.sub("", said)
        assert done.returncode == 0 and said == "", "%s\n%s" % (block.text, said)
        paths.append(path)
    if not block.changes:
        return
    geometry = "geojson" if "geometry = geojson" in block.text else "wkb"
    sinks = [name[len("[sink:"):-1] for name, _ in block.settings if name.startswith("[sink:")]
    for number, (change, expected) in enumerate(block.changes):
        said = {}
        for one in explain(paths[0], "-", given="".join(tried.of(block, number, geometry))):
            # A ddl has no row, and so no definition.
            assert one.definition in (None, "from the source"), one.definition
            for sink, lines in one.said.items():
                said.setdefault(sink, []).extend(
                    line for line in lines if line != "no operation" and not line.startswith("logs: "))
        told = [(sink + ": " if len(sinks) > 1 else "") + line
                for sink in sinks or ["hot"] for line in said.get(sink, ())] or ["no operation"]
        assert len(told) == len(expected) and all(map(manual.matches, expected, told)), (
            "%s\n%s\nin the page:\n    %s\n--explain:\n    %s" % (
                block.where, change, "\n    ".join(expected), "\n    ".join(told)))


# What differs each time.
MOVING = {"ts_us": int, "gtid": str, "file": str, "pos": int, "xid": int}


@pytest.mark.parametrize("block", OUTPUTS, ids=[block.where for block in OUTPUTS])
def test_lines_of_stdout_are_as_the_page_has_them(block, tried):
    for number, (change, expected) in enumerate(block.changes):
        lines = [json.loads(line) for line in tried.of(block, number, "wkb")]
        expected = [json.loads(line) for line in expected]
        assert [list(line) for line in lines] == [list(line) for line in expected], change
        for line, wanted in zip(lines, expected):
            for name, value in wanted.items():
                if name in MOVING:
                    assert isinstance(line[name], MOVING[name]) and isinstance(value, MOVING[name])
                elif name == "doubt":
                    assert manual.matches(value, line[name]), line
                else:
                    assert line[name] == value, (change, name)


def refused(key, value, source, folder):
    """What --check says is wrong with a map's key."""
    keys = {"table": "shop.users", "key": "user:{id}", key: value}
    path = completed([["[map:users]", list(keys.items())]], folder, source)
    done = command("-c", path, "--check")
    assert done.returncode == 2
    return done.stderr


def shown(section, entry):
    """The examples of an entry."""
    return [block for block in manual.blocks_of("fastlane.ini.5")
            if (block.section, block.entry, block.kind) == (section, entry, "example")]


def test_every_filter_and_every_kind_of_value_has_an_example(mariadb, folder):
    """The names come from what is said of one that is not there."""
    listed = re.search("there are (.*)", refused("key", "user:{id|nothing}", mariadb, folder))[1]
    filters = re.split(", | and ", listed)
    assert len(filters) == 14 and "default:TEXT" in filters
    for name in filters:
        blocks = shown("Filters", name)
        used = "|" + name.replace("TEXT", "")
        assert blocks and all(used in block.text and block.changes for block in blocks), name
    listed = re.search("must be (.*)", refused("value", "nothing", mariadb, folder))[1]
    kinds = re.split(", | or ", listed)
    assert len(kinds) == 6 and "json" in kinds
    for name in kinds:
        blocks = shown("VALUES", name)
        used = "value = " + name.split(":")[0]
        assert blocks and all(used in block.text and block.changes for block in blocks), name
    for name in ("{column}", "{db}", "{table}", "{{ and }}", "{generation}", "{*}"):
        assert all(block.changes for block in shown("TEMPLATES", name)) and shown("TEMPLATES", name), name


def test_every_key_of_a_map_is_shown_with_what_it_does():
    blocks = [block for block in EXAMPLES if block.section == "[map:NAME]"]
    assert len({block.entry for block in blocks}) >= 14
    for block in blocks:
        assert block.changes, block.where


@contextlib.contextmanager
def daemon_for(script, folder, environment):
    """One that is ready, where it is asked."""
    if "--status" not in script:
        yield
        return
    start = [BINARY, "-c", "fastlane.ini"]
    with open(folder + "/log", "a") as log:
        daemon = subprocess.Popen(start, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: command("-c", folder + "/fastlane.ini", "--status").returncode == 0, "it is ready")
        yield
    finally:
        daemon.terminate()
        assert daemon.wait(20) == 0, open(folder + "/log").read()


def test_commands_of_the_page_print_what_it_says(start_server, redis, folder):
    """All in the page's order: a later one may need what an earlier one has made."""
    blocks = manual.blocks_of("fastlane.1")
    options = re.findall(r"(?m)^ *(?:-c, )?(--[a-z-]+)", command("--help").stdout)
    assert len(options) == 13
    options.remove("--top")  # test_view.py has a terminal for it
    runs = [block for block in blocks if block.kind == "run"]
    for option in options:
        assert any(option + " " in line + " " for block in runs if option in block.entry
                   for line in block.lines if line.startswith("$ ")), option
    mariadb = start_server(MariaDB)
    make_tables(mariadb)
    mariadb.run("INSERT INTO shop.users VALUES (7, 'Ada', 'Ada@x.org')")
    log = mariadb.file_position().split(":")[0]
    mariadb.run("FLUSH BINARY LOGS")
    found = glob.glob("%s/**/%s" % (mariadb.dir, log), recursive=True)
    shutil.copy(found[0], folder + "/binlog.000001")
    os.mkdir(folder + "/state")
    port = free_port()
    environment = {**ENVIRONMENT, "FASTLANE_PLUGIN_PATH": PLUGINS,  # those of the tests are none of its
                   "PATH": os.path.dirname(BINARY) + ":" + os.environ["PATH"]}
    for block in blocks:
        if block.kind == "file":
            text = block.text
            for place, there in (("/var/lib/fastlane", folder + "/state"), ("3306", str(mariadb.port)),
                                 ("/etc/fastlane/password", folder + "/password"),
                                 ("6379", str(redis.port)), ("9306", str(port))):
                text = text.replace(place, there)
            for name, content in ((block.words, text), ("password", "repl\n")):
                with open("%s/%s" % (folder, name), "w") as file:
                    file.write(content)
                os.chmod("%s/%s" % (folder, name), 0o600)
    for block in runs:
        script, expected = "", []
        for line in block.lines:
            is_command = line.startswith("$ ")
            if is_command or (script and not expected and line.startswith("  ")):
                script += line[2 * is_command:] + "\n"
            else:
                expected.append(line)
        with daemon_for(script, folder, environment):
            done = subprocess.run(
                ["bash", "-e", "-c", script.replace("9306", str(port))], cwd=folder, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
        assert done.returncode == 0, "%s\n%s%s" % (block.where, script, done.stderr)
        pattern = "".join(".*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
                          for line in expected)
        printed = re.sub("\n+", "\n", done.stdout)
        assert re.fullmatch(pattern, printed, re.DOTALL), "%s\n%sin the page:\n%s\nprinted:\n%s%s" % (
            block.where, script, "\n".join(expected), printed, done.stderr)
    for database in (0, 1):
        there = redis.client()
        there.select(database)
        assert there.get("user:7") == b'{"id":7,"name":"Ada","email":"Ada@x.org"}'


@pytest.mark.parametrize("page", manual.NAMES)
def test_examples_fit_a_terminal(page):
    """80 columns, less one margin, or two below an entry."""
    for block in manual.blocks_of(page):
        assert block.lines, block.where
        for line in block.lines:
            assert len(line) <= (66 if block.entry else 73), "%s: %s" % (block.where, line)
