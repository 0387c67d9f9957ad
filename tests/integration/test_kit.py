# SPDX-License-Identifier: Apache-2.0
"""fastlane --test-plugin: what it says of our own sinks, and of rude ones; what becomes of a daemon that has those; and
plugins/README.md, followed to the letter with what is installed."""

import glob
import json
import os
import re
import resource
import shutil
import subprocess

import pytest

from harness.daemon import BINARY, BUILD, ENVIRONMENT, PLUGINS, TEST_PLUGINS, command

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
README = os.path.join(TOP, "plugins", "README.md")
EXAMPLE = os.path.join(TOP, "plugins", "example")

OK, FAILED, USAGE = range(3)


def kit(path, *words, timeout=300):
    """Its exit status and report. A sanitizer may have its say: some plugins are there to be found out."""
    done = subprocess.run([BINARY, "--test-plugin", path, *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout)
    return done.returncode, done.stdout, done.stderr


RUDE_PLUGINS = os.path.join(BUILD, "tests", "support", "rude")


def module(name):
    return next(path for path in ("%s/%s.so" % (folder, name) for folder in (PLUGINS, TEST_PLUGINS, RUDE_PLUGINS))
                if os.path.exists(path))


# ---- our own ----

def own_sinks(redis, memcached):
    at = "127.0.0.1:%d" % redis.port
    # All that the checks have left, in an order of its own.
    dump = ("redis-cli -p %d --scan --pattern 'fastlane-test:*' | sort | while read -r key; do"
            " echo \"$key\"; redis-cli -p %d GET \"$key\"; done" % (redis.port, redis.port))
    return {
        "redis": ["address=" + at, "--backend-option", "address", "--contents", dump],
        "memcached": ["servers=127.0.0.1:%d" % memcached.port, "item_max=20000000", "connect_timeout_ms=1000",
                      "timeout_ms=1000", "--backend-option", "servers"],
        "stdout": ["--backend-stdout"],
    }


SKIPPED = {
    "redis": {"doubts"},
    "memcached": {"doubts", "position"},
    "stdout": {"wrong options", "position"},
}


@pytest.mark.parametrize("name", SKIPPED)
def test_our_own_sinks_pass(name, redis, memcached, figures):
    status, report, errors = kit(module(name), *own_sinks(redis, memcached)[name])
    assert status == OK and errors == "", report + errors
    lines = report.splitlines()
    assert len(lines) == 21 and all(line.startswith(("ok ", "skipped ")) for line in lines[:-1]), report
    skipped = {re.match(r"skipped +([^:]*)", line)[1] for line in lines if line.startswith("skipped")}
    assert skipped == SKIPPED[name], report
    figures(lines[-1][lines[-1].index(name):])


# ---- rude ones ----

# Which check finds it out, and what it says.
RUDE = {
    "crash": ("batch", r"crashed: Aborted \(signal 6\) in submit\(\)"),
    "exit": ("batch", r"ended the process, with status \d+ in submit\(\)"),
    "hang": ("batch", r"submit\(\) did not return within 2 s, not even once interrupted"),
    "invents": ("batch", r"settled\(2\) is called where 1 is the last batch"),
    "backwards": ("settling", r"settled\(\d+\) is called, and \d+ was settled before"),
    "lies": ("batch", r"drain\(\) returned DONE with batches 1 to 1 not settled"),
    "hasty": ("batch", r"drain\(\) returned PENDING, and there is no news"),
    "nosy": ("settling", r"the plugin reads the host's news"),
    "keeps": ("shapes", r"keeps pointers into a batch: .* batch \d+, whose submit\(\) has returned"),
    "writes": ("batch", r"writes into batch 1"),
    "files": ("reopening", r"15 times leaves 15 file descriptors open, the last one of /dev/null"),
    "threads": ("reopening", r"15 times leaves 15 threads"),
    "memory": ("reopening", r"leaves \d+ bytes allocated|leaks memory"),
    "outcome": ("batch", r"submit\(\) returned 7, which is no outcome"),
    "thread": ("batch", r"settled\(\) is called from another thread"),
    "doubts": ("doubts", r"is to return FAILED; it has passed over it"),
    "secret": ("open", r"what it logs shows the value of password"),
    "silent": ("open", r"open\(\) returned RETRY and does not say why"),
    "instance": ("open", r"open\(\) returned RETRY and an instance"),
    "position": ("position", r"batch 7 was the last one submitted, and position\(\) gives that of batch 70"),
    "later": ("reopening", r"uses its host or its settings after close\(\)"),
    "undeclared": ("open", r"asks for the option pasword, which it does not declare"),
    "absent": ("batch", r"row_key_json\(\) is called for a row that is not there"),
    "interrupt": ("interrupt", r"interrupt\(\) did not return within 2 s"),
    "option": ("options", r"kind: its own check\(\) refuses its fallback"),
    "small": ("large values", r"submit\(\) returned FAILED: a value over 1 MB"),
    "ascii": ("hostile values", r"submit\(\) returned FAILED: a value that is not ASCII"),
    "ddl": ("clears", r"DDL: submit\(\) returned FAILED: a statement"),
    "close": ("closing under way", r"leaves 15 file descriptors open"),
    "lazy": ("module", r"is not linked with -z now"),
    "exports": ("module", r"exports helper_of_rude"),
}


@pytest.mark.parametrize("name", RUDE)
def test_rude_plugins_are_found_out(name, figures):
    check, says = RUDE[name]
    status, report, _ = kit(module("rude_" + name), "password=Sesam-offne-dich", "--deadline",
                            "2" if name in ("hang", "interrupt") else "20", "--only", check)
    found = re.search(r"^FAILED +%s: (.*)$" % check, report, re.MULTILINE)
    assert status == FAILED and found and re.search(says, found[1]), report
    assert len(re.findall(r"^FAILED", report, re.MULTILINE)) == 1, report
    figures(found[0])


# What they do to a server.
RUDE_TO_SERVERS = [
    ("ignores", "blocked backend", r"400 batches were settled though nobody took them"),
    ("ignores", "dead backend", r"400 batches were settled though nobody took them"),
    ("halts", "wrong options", r"FAILED where nobody listens"),
    ("halts", "dead backend", r"its connection is reset: it returned FAILED, which halts the sink"),
    ("deaf", "blocked backend", r"submit\(\) did not return within 2 s, not even once interrupted"),
    ("impatient", "slow backend", r"submit\(\) returned RETRY"),
]


@pytest.mark.parametrize("name, check, says", RUDE_TO_SERVERS)
def test_plugins_that_are_rude_to_their_server_are_found_out(name, check, says, redis, figures):
    status, report, _ = kit(module("rude_" + name), "address=127.0.0.1:%d" % redis.port, "--backend-option", "address",
                            "--only", check, "--deadline", "2" if name == "deaf" else "20")
    found = re.search(r"^FAILED +%s: (.*)$" % check, report, re.MULTILINE)
    assert status == FAILED and found and re.search(says, found[1]), report
    figures("%s: %s" % (name, found[0]))


def build_example(folder):
    made = folder + "/file.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-Wl,-z,now", "-I", TOP + "/include",
                    EXAMPLE + "/file.c", "-o", made], check=True)
    return made


def test_a_target_that_differs_when_the_same_comes_again_is_found_out(folder):
    """The page's own sink appends, as a stream may."""
    made, path = build_example(folder), folder + "/rows"
    status, report, _ = kit(made, "path=" + path, "--only", "the same again", "--contents", "cat " + path)
    assert status == FAILED and "the target holds something else" in report, report


@pytest.mark.parametrize("name, skipped", [("nothing", 4), ("crash", 14)])
def test_all_checks_are_made_whatever_one_does(name, skipped):
    status, report, _ = kit(module("rude_" + name), "--deadline", "20")
    lines = report.splitlines()
    assert len(lines) == 21, report
    assert status == (FAILED if name == "crash" else OK), report
    assert lines[-1].endswith("%d failed, %d skipped" % (name == "crash", skipped)), report


@pytest.mark.parametrize("name, says", [
    ("bad_major", "ABI 2"), ("bad_minor", "ABI 1.4"), ("bad_size", "bytes where ABI"), ("bad_name", "somebody_else"),
    ("bad_submit", "no submit"), ("bad_takes", "takes 0"), ("bad_option", "level"), ("bad_link", "nobody_defines_this"),
    ("no_symbol", "fl_sink_plugin"), ("no_module", "file too short|invalid ELF header"),
])
def test_what_can_t_be_loaded_fails_with_the_reason(name, says):
    status, report, _ = kit(module(name), "--only", "table")
    assert status == FAILED and re.search(r"^FAILED +table: .*(%s)" % says, report, re.MULTILINE), report


@pytest.mark.parametrize("words, says", [
    (["adress=x"], "adress: there is no such option"), (["pipeline=many"], "pipeline = many: must be a whole number"),
    (["word"], "'word' is neither"), (["--deadline", "0"], "from 1 to 3600"), (["--deadline"], "needs a value"),
    (["--only", "nothing"], "no check 'nothing'"), (["--backend-option", "address"], "address=ADDRESS"),
    (["address=here", "--backend-option", "address"], "'here' is no address"),
])
def test_wrong_arguments_are_told_from_a_plugin_that_fails(words, says):
    status, report, errors = kit(module("redis"), *words)
    assert status == USAGE and report == "" and says in errors


# ---- the daemon ----

def test_a_daemon_outlives_rude_plugins(fastlane, mariadb, db, figures):
    """Each halts with a reason that names what it did; the one that hangs holds up nobody."""
    wrong = {
        "outcome": "a call returned 7, which is no outcome",
        "invents": r"settled\(2\) was called where 1 is the last batch",
        "thread": r"settled\(\) was called from another thread",
        "lies": r"drain\(\) left batches pending",
        "hasty": r"drain\(\) left batches pending",
        "silent": "the plugin does not say why",
    }
    mariadb.run("CREATE DATABASE `%s`" % db)
    sinks = {name: {"plugin": "rude_" + name} for name in (*wrong, "hang")}
    daemon = fastlane(mariadb, {**sinks, "log": {"plugin": "stdout"}}, start="current",
                      fastlane={"plugin_path": RUDE_PLUGINS}).start()
    daemon.wait_log(r"\blane \d+ reads")
    mariadb.run("CREATE TABLE t (id int primary key)", "INSERT INTO t VALUES (1), (2)", database=db)
    for name, says in wrong.items():
        daemon.wait_log(r"\[%s\] .*%s" % (name, says))
    mariadb.run("INSERT INTO t VALUES (3)", database=db)
    daemon.wait_for(lambda: '"row":{"id":3}' in open(daemon.out).read(), "the third row")
    took = daemon.stop(5, code=4)
    assert re.search(r"\[hang\] does not answer", daemon.log), daemon.log
    figures("%d rude sinks beside one that is not; ended %.1f s after SIGTERM" % (len(sinks), took))


def test_the_page_s_sink_leaves_no_half_line_where_a_disk_is_full(fastlane, mariadb, db, folder):
    build_example(folder)
    path = folder + "/rows"
    mariadb.run("CREATE DATABASE `%s`" % db)
    daemon = fastlane(mariadb, {"rows": {"plugin": "file", "path": path}}, start="current",
                      fastlane={"plugin_path": folder})
    daemon.under = ["prlimit", "--fsize=65536:"]
    daemon.start()
    daemon.wait_log(r"\blane \d+ reads")
    mariadb.run("CREATE TABLE t (id int primary key, v text)", "INSERT INTO t VALUES (1, REPEAT('x', 40000))",
                "INSERT INTO t VALUES (2, REPEAT('y', 40000))", database=db)
    daemon.wait_log(r"\[rows\] .*the file can't be written: File too large")
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE,
                     (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)

    def rows():
        with open(path) as file:
            return [line for line in file if '"id":' in line]
    daemon.wait_for(lambda: len(rows()) == 2 and rows()[-1].endswith("\n"), "both rows")
    assert [json.loads(line)["id"] for line in rows()] == [1, 2]
    daemon.stop()


# ---- plugins/README.md ----

@pytest.fixture(scope="module")
def installed(root):
    """What `meson install` gives, in a prefix of its own."""
    stage = os.path.join(root, "stage")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", stage], check=True,
                   stdout=subprocess.PIPE)
    prefix = stage + subprocess.run(
        ["meson", "introspect", "--buildoptions", BUILD], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split('"name": "prefix", "value": "')[1].split('"')[0]
    described = glob.glob(prefix + "/**/fastlane-plugin.pc", recursive=True)[0]
    # Installed there, it would say so itself.
    with open(described) as file:
        text = file.read().replace(prefix[len(stage):], prefix)
    with open(described, "w") as file:
        file.write(text)
    return prefix, os.path.dirname(described)


class Walk:
    """The blocks of a page in their order: (language, name of the file if it is one, text)."""

    def __init__(self, path, section):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        start = text.index("\n## %s\n" % section)
        end = text.find("\n## ", start + 1)
        self.blocks = [(found[2], found[1], found[3]) for found in re.finditer(
            r"(?:^`([\w.]+)`[^\n]*:\n\n)?^```(\w+)\n(.*?)^```$", text[start:end], re.MULTILINE | re.DOTALL)]

    def file(self, name):
        return next(text for _, file, text in self.blocks if file == name)

    def script(self):
        """Files are written, commands run, where they stand."""
        parts = ["set -e\n"]
        for language, name, text in self.blocks:
            if name:
                parts.append("cat >%s <<'END-OF-FILE'\n%sEND-OF-FILE\n" % (name, text))
            elif language == "sh":
                parts.append(text)
        return "".join(parts)

    def outputs(self):
        return [text for language, name, text in self.blocks if language == "text"]


WALK = "From nothing to a sink in fifteen minutes"


@pytest.mark.parametrize("name", ["file.c", "meson.build"])
def test_the_page_shows_the_example_as_it_is(name):
    with open(os.path.join(EXAMPLE, name), encoding="utf-8") as file:
        assert Walk(README, WALK).file(name) == file.read()


def test_the_page_leads_to_a_sink(installed, mariadb, folder, db, figures):
    prefix, descriptions = installed
    walk = Walk(README, WALK)
    tools = folder + "/tools"
    os.mkdir(tools)
    with open(tools + "/mariadb", "w") as file:
        file.write('#!/bin/sh\nexec %s --no-defaults --socket=%s --user=app --password=app "$@"\n' % (
            shutil.which("mariadb"), mariadb.socket))
    os.chmod(tools + "/mariadb", 0o755)
    script = walk.script()
    for here, there in (("/run/mysqld/mysqld.sock", mariadb.socket), ("shop", db)):
        assert here in script
        script = script.replace(here, there)
    environment = {**ENVIRONMENT, "PATH": "%s:%s/bin:%s" % (tools, prefix, os.environ["PATH"]),
                   "PKG_CONFIG_PATH": descriptions, "HOME": folder}
    del environment["FASTLANE_PLUGIN_PATH"]
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    for output in walk.outputs():
        for line in output.splitlines():
            pattern = ".*".join(re.escape(part) for part in line.replace("shop", db).split("..."))
            assert re.search("^%s$" % pattern, done.stdout, re.MULTILINE), "%s\n%s" % (line, done.stdout)
    assert glob.glob(prefix + "/**/fastlane/file.so", recursive=True)
    mariadb.run("DROP DATABASE `%s`" % db)
    figures("%d commands" % sum(text.count("\n") for language, name, text in walk.blocks if language == "sh"))


# ---- the ABI ----

ABI = os.path.join(TOP, "tests", "conformance", "abi", "check")
HOST_END = "\tint news;\n};"
MINOR = re.compile(r"#define FL_ABI_MINOR (\d+)")


def raised(text):
    return MINOR.sub(lambda found: "#define FL_ABI_MINOR %d" % (int(found[1]) + 1), text)


def appended(text):
    return text.replace(HOST_END, "\tint news;\n\tvoid (*more)(void *ctx);\n};")


def inserted(text):
    return text.replace("\tuint32_t size;\n\tvoid *ctx;", "\tuint32_t size;\n\tint some;\n\tint more;\n\tvoid *ctx;")


@pytest.mark.parametrize("change, status, says", [
    (lambda text: raised(appended(text)), 0, "new: struct fl_host: more"),
    (appended, 1, "FL_ABI_MINOR is to be above"),
    (inserted, 1, "struct fl_host: ctx has moved from byte 8 to byte 16"),
    (lambda text: raised(inserted(text)), 1, "FL_ABI_MAJOR"),
    (lambda text: raised(text.replace("\tsize_t operation_count;", "\tuint32_t operation_count, more;")), 1,
     "struct fl_batch: operation_count was"),
    (lambda text: raised(text.replace("\tuint32_t flags;", "\tuint32_t flags;\n\tuint64_t news;")), 1, "struct fl_operation"),
    (lambda text: raised(text.replace("\tFL_PENDING,", "\tFL_MAYBE,\n\tFL_PENDING,")), 1, "FL_PENDING was 1 and is 2"),
    (lambda text: raised(text.replace("uint64_t batch);", "uint32_t batch);")), 1, "struct fl_host: settled was"),
], ids=["appended", "appended without a number", "inserted", "inserted, with a number", "another type",
        "appended in an array", "another value", "another argument"])
def test_the_abi_s_check_finds_what_breaks_plugins(folder, change, status, says):
    shutil.copytree(os.path.join(TOP, "include"), folder + "/include")
    path = folder + "/include/fastlane/sink.h"
    with open(path) as file:
        text = file.read()
    assert change(text) != text
    with open(path, "w") as file:
        file.write(change(text))
    done = subprocess.run([ABI, folder + "/include"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == status and says in done.stdout, done.stdout
