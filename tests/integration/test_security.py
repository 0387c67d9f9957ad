# SPDX-License-Identifier: Apache-2.0
"""Who else is on the machine, or writes what is replicated, gets nothing by it. core/README.md lists
what was tried."""

import json
import mmap
import os
import pwd
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile

import pytest

from harness.daemon import BINARY, BUILD, ENVIRONMENT, PLUGINS, Fastlane, command
from harness.reloads import change, refused, reload
from harness.servers import free_port
from harness.tables import Column, Table
from harness.wait import wait_for
from test_command import CONFIGURATION, OK, USAGE

IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
WORD = "Sesam-offne-dich"


def numbers(db):
    return Table(db, "num", [Column("id", "int", "int", nullable=False)])


def write(path, text, mode):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def key_file(folder, *options):
    path = folder + "/key-%d" % len(options)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", path, *options], check=True)
    os.chmod(path, 0o600)
    return path


# ---- secrets ----

def test_files_that_others_can_read_or_change_are_refused_by_name(folder):
    """What --check says of each line, all at once."""
    open_folder, shut = folder + "/open", folder + "/shut"
    os.mkdir(open_folder)
    os.mkdir(shut)
    os.chmod(open_folder, 0o777)
    os.mkfifo(folder + "/pipe", 0o600)
    write(open_folder + "/secret", "x", 0o600)
    write(folder + "/good", "x", 0o600)
    os.symlink(open_folder + "/secret", shut + "/link")
    os.symlink(folder + "/good", open_folder + "/link")
    key, locked = key_file(folder), key_file(folder, "-aes256", "-pass", "pass:x")
    certificate = write(folder + "/cert", "-----BEGIN CERTIFICATE-----\n", 0o644)
    in_group = write(folder + "/group", "x", 0o640)
    is_foreign = IS_ROOT
    if is_foreign:
        os.chown(in_group, 0, NOBODY.pw_gid)
    cases = [
        ("password_file", write(folder + "/all", "x", 0o644), r"everybody can read .*/all.*0644: chmod go-r "),
        ("password_file", write(folder + "/writable", "x", 0o602), "everybody can change .*: chmod go-w "),
        ("password_file", in_group, "the group .* can read .*: chmod g-r " if is_foreign else None),
        ("password_file", folder + "/pipe", "is not a regular file"),
        ("password_file", "/dev/null", "is not a regular file"),
        ("password_file", folder, "is not a regular file"),
        ("password_file", open_folder + "/secret", "everybody can write to the directory .*/open, .*0777"),
        ("password_file", shut + "/link", "everybody can write to the directory .*/open, .*0777"),
        ("password_file", open_folder + "/link", "everybody can write to the directory .*/open, .*0777"),
        ("password_file", folder + "/nowhere", "can't be read: No such file"),
        ("password_file", folder + "/good", None),
        ("tls_ca", folder + "/nowhere", "can't be read: No such file"),
        ("tls_ca", folder + "/good", "no line -----BEGIN CERTIFICATE"),
        ("tls_ca", write(folder + "/theirs", "-----BEGIN CERTIFICATE-----\n", 0o666), "everybody can change"),
        ("tls_ca", certificate, None),
        ("tls_cert", key, "no line -----BEGIN CERTIFICATE"),
        ("tls_key", certificate, "everybody can read"),
        ("tls_key", folder + "/good", "no line -----BEGIN PRIVATE KEY"),
        ("tls_key", locked, "needs a pass phrase"),
        ("tls_key", key, None),
    ]
    for name, path, said in cases:
        other = {"tls_cert": "tls_key = %s\n" % key, "tls_key": "tls_cert = %s\n" % certificate}.get(name, "")
        text = ("[source]\n%s = %s\n%sport = %d\ntls = yes\nuser = repl\nserver_id = 4711\n"
                "[sink:hot]\nplugin = redis\n[map:m]\ntable = a.b\nkey = m:{id}\n"
                % (name, path, other, free_port()))
        done = command("-c", write(folder + "/checked.ini", text, 0o644), "--check")
        if said is None:
            assert done.returncode == OK, done.stderr
        else:
            assert done.returncode == CONFIGURATION, (name, path)
            assert re.search(r"checked\.ini:2: \[source\] %s.*%s" % (name, said), done.stderr), done.stderr
        # What a sink opens is looked at as well.
        if name in ("tls_ca", "tls_cert"):
            text = ("[sink:hot]\n%s = %s\nplugin = redis\n[source]\nport = %d\nuser = repl\nserver_id = 4711\n"
                    "[map:m]\ntable = a.b\nkey = m:{id}\n" % (name, path, free_port()))
            done = command("-c", write(folder + "/checked.ini", text, 0o644), "--check")
            assert (done.returncode == OK) == (said is None), done.stderr
            assert said is None or re.search(r"checked\.ini:2: \[sink:hot\] %s = .*(%s|that can be read)" % (name, said),
                                             done.stderr), done.stderr
    half = "[source]\ntls_key = %s\n" % key
    done = command("-c", write(folder + "/checked.ini", half, 0o644), "--check")
    assert "checked.ini:2: [source] tls_key goes with tls_cert, which is not set" in done.stderr


def test_a_configuration_with_a_password_that_others_can_read_is_warned_of(folder):
    text = ("[source]\nport = %d\nuser = repl\npassword = %s\nserver_id = 4711\n[sink:hot]\nplugin = redis\n"
            "[map:m]\ntable = a.b\nkey = m:{id}\n" % (free_port(), WORD))
    path = write(folder + "/checked.ini", text, 0o644)
    done = command("-c", path, "--check")
    assert done.returncode == OK
    assert re.search(r"warning: .*checked\.ini:4: \[source\] password: everybody can read .*chmod go-r .*"
                     r"or keep it in a file \(password_file\)", done.stderr), done.stderr
    os.chmod(path, 0o600)
    assert "everybody" not in command("-c", path, "--check").stderr
    # Whoever can change it could have any file sent to a source of his own.
    os.chmod(path, 0o622)
    done = command("-c", path, "--check")
    assert done.returncode == CONFIGURATION
    assert re.search(r"checked\.ini:1: everybody can change .*chmod go-w", done.stderr), done.stderr
    assert WORD not in done.stderr + done.stdout


@pytest.fixture
def open_folder():
    """One that every account can go through."""
    folder = tempfile.mkdtemp(prefix="fastlane-")
    os.chmod(folder, 0o711)
    yield folder
    shutil.rmtree(folder)


def die(folder, port, core_dumps):
    """Ends one as a crash would: its environment, arguments and limits, and whether it left a core."""
    os.makedirs(folder)
    secret = write(folder + "/secret", WORD + "\n", 0o600)
    config = write(folder + "/fastlane.ini", "[fastlane]\ncore_dumps = %s\n[source]\nport = %d\nuser = repl\n"
                   "password_file = %s\nserver_id = 4711\n[sink:hot]\nplugin = redis\n"
                   "[map:m]\ntable = a.b\nkey = m:{id}\n"
                   % (core_dumps, port, secret), 0o600)
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]

    def prepare():
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background jobs ignore it

    with open(folder + "/log", "wb") as log:
        process = subprocess.Popen(
            [BINARY, "-c", config], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**ENVIRONMENT, "ASAN_OPTIONS": ENVIRONMENT["ASAN_OPTIONS"] + ":disable_coredump=0"},
            preexec_fn=prepare)

    def said():
        with open(folder + "/log") as file:
            return re.search("127.0.0.1:%d" % port, file.read())
    number = signal.SIGKILL
    try:
        wait_for(said, "a word of the source", 20)
        seen = b""
        for name in ("cmdline", "environ", "comm"):
            with open("/proc/%d/%s" % (process.pid, name), "rb") as file:
                seen += file.read()
        with open("/proc/%d/limits" % process.pid) as file:
            limit = re.search(r"Max core file size +(\S+)", file.read())[1]
        number = signal.SIGQUIT
    finally:
        os.kill(process.pid, number)
        status = os.waitpid(process.pid, 0)[1]
        process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGQUIT
    return seen, limit, os.WCOREDUMP(status)


def has_word(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(WORD.encode()) >= 0


def test_a_crash_leaves_no_password_behind(folder):
    port = free_port()
    seen, limit, dumped = die(folder + "/closed", port, "no")
    assert WORD.encode() not in seen
    assert limit == "0" and not dumped
    assert sorted(os.listdir(folder + "/closed")) == ["fastlane.ini", "log", "secret"]
    # Where they are asked for there are some, with all that this is about.
    seen, limit, dumped = die(folder + "/open", port, "yes")
    assert limit != "0" or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0
    with open("/proc/sys/kernel/core_pattern") as file:
        here = re.fullmatch(r"[a-z]+\n", file.read())
    if here and limit == "unlimited":
        assert dumped
        cores = [name for name in os.listdir(folder + "/open") if name.startswith("core")]
        assert any(has_word("%s/open/%s" % (folder, name)) for name in cores), cores


# ---- privileges ----

def as_nobody(folder, mariadb, redis, db, **keys):
    os.mkdir(folder + "/state")
    os.chown(folder + "/state", NOBODY.pw_uid, NOBODY.pw_gid)
    secret = write(folder + "/secret", "repl", 0o640)
    os.chown(secret, 0, NOBODY.pw_gid)
    daemon = Fastlane(
        folder, mariadb, {"hot": {"plugin": "redis", "address": "127.0.0.1:%d" % redis.port},
                          "log": {"plugin": "stdout"}},
        {"num": {"table": db + ".num", "key": "num:{id}"}}, fastlane={"user": "nobody", **keys},
        host="127.0.0.1", port=mariadb.port, start=mariadb.gtids())
    daemon.sections["source"]["password_file"] = secret
    del daemon.sections["source"]["password"]
    as_owner = daemon.write

    def for_group():
        as_owner()
        os.chown(daemon.config, 0, NOBODY.pw_gid)
        os.chmod(daemon.config, 0o640)
    daemon.write = for_group
    daemon.write()
    return daemon


def status_of(daemon):
    with open("/proc/%d/status" % daemon.process.pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def test_root_becomes_another_account_for_good(open_folder, mariadb, redis, db, daemons, folder):
    if not IS_ROOT:
        path = write(folder + "/a.ini", "[fastlane]\nuser = root\n", 0o600)
        assert "a.ini:2: [fastlane] user = root: only root can" in command("-c", path, "--check").stderr
        return
    mariadb.run("CREATE DATABASE %s" % db, *(
        "%s" % line for line in numbers(db).statements()))
    daemon = as_nobody(open_folder, mariadb, redis, db)
    daemons.append(daemon)
    daemon.under = ["setpriv", "--inh-caps=+chown"]  # as root has some in a container
    daemon.start()
    mariadb.run("INSERT INTO %s.num VALUES (1)" % db)
    daemon.wait_for(lambda: redis.client().exists("num:1"), "row 1")
    uid, gid = str(NOBODY.pw_uid), str(NOBODY.pw_gid)
    status = status_of(daemon)
    assert status["Uid"].split() == [uid] * 4 and status["Gid"].split() == [gid] * 4
    assert set(status["Groups"].split()) <= {gid} and status["NoNewPrivs"] == "1"
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, name
    # All threads, too.
    for thread in os.listdir("/proc/%d/task" % daemon.process.pid):
        with open("/proc/%d/task/%s/status" % (daemon.process.pid, thread)) as file:
            assert "\nUid:\t%s\t%s\t%s\t%s\n" % ((uid,) * 4) in file.read()
    # Its memory is not that account's, but root's: not dumpable.
    assert os.stat("/proc/%d/environ" % daemon.process.pid).st_uid == 0
    wait_for(lambda: os.path.exists(daemon.position_file("log")), "a position")
    made = os.stat(daemon.position_file("log"))
    assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (NOBODY.pw_uid, 0o600)
    assert "runs as root" not in daemon.log

    class R:
        pass
    r = R()
    r.daemon = daemon
    reload(r, fastlane={**daemon.sections["fastlane"], "log_level": "debug"})
    # What only root can read is lost to it, and said so; the old one goes on.
    os.chown(open_folder + "/secret", 0, 0)
    refused(r, r"password_file: .*/secret can't be read: Permission denied")
    os.chown(open_folder + "/secret", 0, NOBODY.pw_gid)
    mariadb.run("INSERT INTO %s.num VALUES (2)" % db)
    daemon.wait_for(lambda: redis.client().exists("num:2"), "row 2")
    daemon.stop()

    # Another's state directory would not do.
    os.chown(open_folder + "/state", 0, 0)
    change(r, fastlane={**daemon.sections["fastlane"], "log_format": "json"})
    assert daemon.run(seconds=20) == CONFIGURATION
    said = json.loads(daemon.log.splitlines()[-1])
    assert re.search(r"state_dir = .*/state can't be used by user = nobody: Permission denied: "
                     r"chown -R nobody .*/state", said["message"]), said
    change(r, fastlane={**daemon.sections["fastlane"], "log_format": "text"})
    # Nor one that an earlier run has left something of root's in.
    os.chown(open_folder + "/state", NOBODY.pw_uid, NOBODY.pw_gid)
    for left in (open_folder + "/state/fastlane.lock", daemon.position_file("log")):
        os.chown(left, 0, 0)
        assert daemon.run(seconds=20) == CONFIGURATION
        assert re.search(r"%s can't be used by user = nobody: .*chown -R nobody .*/state$" % left,
                         daemon.log.splitlines()[-1]), daemon.log
        os.chown(left, NOBODY.pw_uid, NOBODY.pw_gid)
    os.chown(open_folder + "/state", NOBODY.pw_uid, NOBODY.pw_gid)
    change(r, fastlane={**daemon.sections["fastlane"], "core_dumps": "yes"})
    daemon.start()
    daemon.wait_for(lambda: os.stat("/proc/%d/environ" % daemon.process.pid).st_uid == NOBODY.pw_uid,
                    "its memory is its own", 20)
    daemon.stop()


def test_root_takes_no_file_of_an_account_that_it_does_not_become(folder, open_folder):
    """But for a look, as at what the service's account has."""
    if not IS_ROOT:
        return
    secret, state = write(open_folder + "/secret", WORD, 0o600), open_folder + "/state"
    os.mkdir(state)
    text = ("[fastlane]\nstate_dir = %s\n%s[source]\nport = %d\nuser = repl\npassword_file = %s\nserver_id = 4711\n"
            "[sink:hot]\nplugin = redis\n[map:m]\ntable = a.b\nkey = m:{id}\n")
    port = free_port()
    for line, path, said in (
            (2, state, r"state_dir.*/state .* is of nobody, who can change it; where fastlane runs as root it must be "
                       r"root's: run it as nobody \(user in \[fastlane\]\), or chown root "),
            (6, secret, "password_file: .*/secret .* is of nobody, .*chown root ")):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        config = write(open_folder + "/a.ini", text % (state, "", port, secret), 0o600)
        assert command("-c", config, "--check").returncode == OK
        done = command("-c", config, "--until-current")
        assert done.returncode == CONFIGURATION
        assert re.search(r"a\.ini:%d: \[.*%s" % (line, said), done.stderr), done.stderr
        config = write(open_folder + "/a.ini", text % (state, "user = daemon\n", port, secret), 0o600)
        done = command("-c", config, "--until-current")
        assert done.returncode == CONFIGURATION
        assert re.search("is of nobody, .* where fastlane runs as daemon, of that account: chown daemon",
                         done.stderr), done.stderr
        os.chown(path, 0, 0)


def test_root_without_another_account_is_warned_of_once(mariadb, rig, db):
    r = rig(mariadb, [numbers(db)])
    r.daemon.start()
    r.settle()
    assert r.daemon.log.count("runs as root, and needs none of root's rights") == IS_ROOT
    # It can't become one later: threads and files are root's by then.
    if IS_ROOT:
        change(r, fastlane={**r.daemon.sections["fastlane"], "user": "nobody"})
        refused(r, "user can be set at a start only")
    r.daemon.stop()


@pytest.mark.parametrize("line, said", [
    ("user = no-such-account", "user = no-such-account: must be an account of this machine"),
    ("group = nogroup", "group goes with user, which is not set"),
    ("user = nobody\ngroup = no-such-group", "group = no-such-group: must be a group of this machine"),
])
def test_accounts_that_are_none_are_refused(folder, line, said):
    path = write(folder + "/a.ini", "[fastlane]\n%s\n" % line, 0o600)
    done = command("-c", path, "--check")
    assert done.returncode == CONFIGURATION and said in done.stderr, done.stderr


# ---- plugins ----

def test_plugins_that_others_can_change_are_not_loaded(folder):
    good, bad = folder + "/good", folder + "/bad"
    for place in (good, bad, bad + "/below"):
        os.mkdir(place)
        shutil.copy(PLUGINS + "/stdout.so", place)
        os.chmod(place + "/stdout.so", 0o755)
    linked = folder + "/linked"
    os.mkdir(linked)
    os.symlink(bad + "/stdout.so", linked + "/stdout.so")

    def helped(place):
        environment = {**ENVIRONMENT, "FASTLANE_PLUGIN_PATH": place}
        done = subprocess.run([BINARY, "--plugin-help", "stdout"], env=environment, text=True,
                              capture_output=True, timeout=30)
        assert (done.returncode == OK) == (done.stderr == ""), done.stderr
        assert done.returncode in (OK, USAGE)
        return done.stderr

    for place in (good, bad, bad + "/below", linked):
        assert helped(place) == ""
    os.chmod(bad, 0o777)
    for place in (bad, bad + "/below", linked):
        assert re.search(r"refused: everybody can write to the directory .*/bad, which is of .*, mode 0777: "
                         r"chmod go-w .*/bad\n", helped(place))
    # Of what lies in a folder like /tmp, only our own.
    os.chmod(bad, 0o1777)
    assert helped(bad) == ""
    os.chmod(bad, 0o755)
    os.chmod(bad + "/stdout.so", 0o757)
    for place in (bad, linked):
        assert re.search(r"refused: everybody can change .*/bad/stdout\.so, .*chmod go-w ", helped(place))
    os.chmod(bad + "/stdout.so", 0o755)
    if IS_ROOT:
        os.chown(bad + "/below", NOBODY.pw_uid, 0)
        assert re.search(r"refused: the directory .*/below \(mode 0755\) is of nobody.*chown root ",
                         helped(bad + "/below"))
        os.chown(bad + "/stdout.so", NOBODY.pw_uid, 0)
        os.chmod(bad, 0o1777)
        assert re.search(r"refused: .*is of nobody|refused: everybody can write to", helped(bad))
    # Neither are such listed as if they could be used.
    environment = {**ENVIRONMENT, "FASTLANE_PLUGIN_PATH": linked}
    os.chmod(bad, 0o777)
    done = subprocess.run([BINARY, "--list-plugins"], env=environment, text=True, capture_output=True)
    assert re.search(r"^stdout +refused: .*everybody can write", done.stdout, re.MULTILINE), done.stdout


def test_the_environment_names_no_plugins_to_a_program_with_rights_of_its_own():
    assert "stdout" in command("--list-plugins").stdout
    if not IS_ROOT:
        return
    # Not below /tmp, where such programs may have none of theirs.
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        os.chmod(folder, 0o755)
        binary = shutil.copy(BINARY, folder + "/fastlane")
        os.chown(binary, NOBODY.pw_uid, NOBODY.pw_gid)
        os.chmod(binary, 0o4755)
        done = subprocess.run([binary, "--plugin-help", "no-such"], env=ENVIRONMENT, text=True,
                              capture_output=True, timeout=30)
        assert "there is no no-such.so in " in done.stderr and PLUGINS not in done.stderr, done.stderr


@pytest.mark.parametrize("old, new, line, said", [
    ("[sink:log]", "[sink:../log]", 5, "a name has 1 to 32 of A-Z, a-z, 0-9, _ and -"),
    ("[sink:log]", "[sink:a/b]", 5, "a name has 1 to 32 of A-Z, a-z, 0-9, _ and -"),
    ("[map:m]", "[map:../m]", 7, "a name has 1 to 32"),
    ("plugin = stdout", "plugin = ../plugins/stdout", 6, "is no plugin's name"),
    ("plugin = stdout", "plugin = /tmp/evil", 6, "is no plugin's name"),
    ("user = repl", "user = " + "x" * 100000, 3, "long|bytes"),
    ("user = repl", "x" * 100000, 3, ""),
    ("[source]", "[" + "x" * 100000 + "]", 1, ""),
], ids=["sink above", "sink below", "map above", "plugin above", "plugin elsewhere", "value", "key", "section"])
def test_names_lead_nowhere_else_and_lines_are_bounded(folder, old, new, line, said):
    text = "[source]\nsocket = /x\nuser = repl\nserver_id = 1\n[sink:log]\nplugin = stdout\n[map:m]\ntable = a.b\nkey = x\n"
    path = write(folder + "/a.ini", text.replace(old, new), 0o600)
    done = command("-c", path, "--check")
    assert done.returncode == CONFIGURATION
    found = [error for error in done.stderr.splitlines() if re.match(re.escape(path) + ":%d: " % line, error)]
    assert found and re.search(said, found[0]), done.stderr[-2000:]
    assert all(len(error) < 2000 for error in done.stderr.splitlines())


# ---- the state directory ----

def test_links_in_the_state_directory_lead_nowhere(mariadb, rig, db, folder):
    victim = write(folder + "/victim", "precious", 0o644)
    r = rig(mariadb, [numbers(db)])
    state = r.daemon.dir + "/state"
    os.symlink(victim, state + "/log.position.new")
    os.mkfifo(state + "/pool.position.new")
    mariadb.run("INSERT INTO num VALUES (1)", database=db)
    assert r.daemon.run("--until-current") == OK
    for name in ("log", "pool"):
        made = os.lstat(r.daemon.position_file(name))
        assert stat.S_ISREG(made.st_mode) and stat.S_IMODE(made.st_mode) == 0o600, name
    os.remove(r.daemon.position_file("log"))
    os.symlink(victim, r.daemon.position_file("log"))
    r.daemon.start("--until-current")
    r.daemon.wait_log(r"\[log\] can't open .*log\.position: Too many levels of symbolic links")
    r.daemon.kill()
    os.remove(state + "/fastlane.lock")
    os.symlink(victim, state + "/fastlane.lock")
    assert r.daemon.run("--until-current") == USAGE
    os.remove(state + "/fastlane.lock")
    with open(victim) as file:
        assert file.read() == "precious"
    os.chmod(state, 0o777)
    assert r.daemon.run("--until-current") == CONFIGURATION
    assert re.search(r"state_dir.*nobody else can write to: everybody can write to the directory .*/state, "
                     r"which is of .*, mode 0777: chmod go-w ", r.daemon.log)


# ---- what is replicated ----

EVIL = {
    "redis": "x\r\n*3\r\n$3\r\nSET\r\n$5\r\nowned\r\n$1\r\n1\r\n",
    "memcached": "x 0 0 1\r\ny\r\nset owned 0 0 1\r\n1\r\n",
    "meta": "x T0\r\nms owned 1\r\n1\r\n",
    "json": '","owned":true,"x":"',
    "log": "x\n1970-01-01T00:00:00.000Z error owned\x1b[2J",
    "template": "{id}{{owned}}",
    "pattern": "*[a-z]?\\",
}


def test_names_and_values_stay_what_they_are(source, rig, db):
    """Keys of Redis and memcached, JSON, and the log's lines, of rows whose author writes protocols."""
    column = '`a","owned":"` '
    r = rig(source, [], maps={"all": {"table": db + ".e*", "key": "{table}:{v}"}},
            fastlane={"log_level": "debug"})
    table = "`e\n1970-01-01T00:00:00.000Z error owned\r\n\"'`"
    with source.connect(db) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE %s (v varchar(200) PRIMARY KEY, %s int)" % (table, column))
        cursor.executemany("INSERT INTO " + table.replace("%", "%%") + " VALUES (%s, 7)",
                           [(value,) for value in EVIL.values()])
    r.daemon.start()
    r.settle()
    name = table[1:-1]
    keys = {(name + ":" + value).encode() for value in EVIL.values()}
    found = {key: r.redis.get(key) for key in r.redis.keys() if key.startswith(b"e")}
    assert set(found) == keys and not r.redis.exists("owned")
    for key, value in found.items():
        assert json.loads(value) == {"v": key.decode()[len(name) + 1:], 'a","owned":"': 7}
    assert r.memcached.get("owned") is None
    assert not any("owned" == key for key in r.memcached.keys())
    with open(r.daemon.out) as file:
        changes = [change for line in file for change in json.loads(line).get("changes", [json.loads(line)])]
    rows = [change for change in changes if change.get("table") == name]
    assert rows
    # A statement, too, that clears by the table's name: nothing but its own keys.
    r.redis.set("elsewhere", 1)
    source.run("TRUNCATE " + table, database=db)
    r.settle()
    assert not [key for key in r.redis.keys() if key in keys] and r.redis.exists("elsewhere")
    for line in r.daemon.log.splitlines():
        assert re.match(r"20\d\d-\d\d-\d\dT[\d:.]+Z (error|warn |info |debug) ", line), line
    assert "\x1b" not in r.daemon.log
    r.daemon.stop()
