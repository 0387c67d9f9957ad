# SPDX-License-Identifier: Apache-2.0
"""The manual's examples are tried: each is taken by --check, and what it says becomes of a change is what
--explain makes of it."""

import itertools
import json
import os
import re

import pytest

from harness import manual
from harness.daemon import PLUGINS, Fastlane, command
from harness.explained import explain

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
        for block in EXAMPLES:
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
    if not any(name.startswith("[map:") for name in sections):
        sections["[map:users]"] = {"table": "shop.users", "key": "user:{id}"}
    os.makedirs(folder + "/state", exist_ok=True)
    for name, text in (("password", "repl"), ("redis-password", "x"), ("ca", "")):
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
