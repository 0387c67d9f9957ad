# SPDX-License-Identifier: Apache-2.0
"""fastlane, run on a configuration of its own."""

import os
import re
import signal
import subprocess
import time

from .wait import wait_for

BUILD = os.path.abspath(os.environ.get("FASTLANE_BUILD", "build"))
BINARY = os.path.join(BUILD, "core", "fastlane")
PLUGINS = os.path.join(BUILD, "plugins")
TEST_PLUGINS = os.path.join(BUILD, "tests", "support", "plugins")

SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")

# What a service manager, or a shell that has its variables, would have tests behave by.
OUTSIDE = {"LOG_FORMAT", "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
           "CREDENTIALS_DIRECTORY"}

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in OUTSIDE},
    "FASTLANE_PLUGIN_PATH": PLUGINS + ":" + TEST_PLUGINS,
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=99",
    # Whatever depends on the machine's time zone or language is wrong.
    "TZ": "America/St_Johns",
}


def command(*arguments, timeout=30, given=""):
    """Runs fastlane to its end, with `given` on its standard input: a completed process with text
    output."""
    done = subprocess.run(
        [BINARY, *arguments], env=ENVIRONMENT, input=given,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", timeout=timeout,
    )
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


class Fastlane:
    def __init__(self, folder, source, sinks, maps=(), fastlane=(), server_id=4711, **options):
        """`sinks`, `maps`: name -> the section's keys; `fastlane`: keys of [fastlane]; `options`:
        keys of [source], on top of what reaches `source`."""
        self.dir = str(folder)
        os.makedirs(self.dir + "/state", exist_ok=True)
        self.config = self.dir + "/fastlane.ini"
        self.out = self.dir + "/stdout"
        self.log_file = self.dir + "/log"
        self.process = None
        self.reported = False
        self.environment = {}  # on top of ENVIRONMENT
        self.under = []  # a command that runs it
        reach = {"user": "repl", "password": "repl"}
        if not {"host", "hosts"} & options.keys():
            reach["socket"] = source.socket
        self.sections = {
            # Who is not root could not look into a daemon otherwise.
            "fastlane": {"state_dir": self.dir + "/state",
                         **({} if os.geteuid() == 0 else {"core_dumps": "yes"}), **dict(fastlane)},
            "source": {**reach, "server_id": server_id, "heartbeat": 1, "catch_up_timeout": 4, **options},
            **{"sink:" + name: keys for name, keys in dict(sinks).items()},
            **{"map:" + name: keys for name, keys in dict(maps).items()},
        }
        self.write()

    def write(self):
        with open(self.config, "w") as file:
            for section, keys in self.sections.items():
                print("[%s]" % section, file=file)
                for name, value in keys.items():
                    print("%s = %s" % (name, value), file=file)
        os.chmod(self.config, 0o600)

    def start(self, *arguments):
        """Output and log are appended to those of earlier runs."""
        self.started_at = time.monotonic()
        with open(self.out, "ab") as out, open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.under, BINARY, "-c", self.config, *arguments], env={**ENVIRONMENT, **self.environment},
                stdin=subprocess.DEVNULL, stdout=out, stderr=log,
            )
        return self

    def run(self, *arguments, seconds=120):
        """Starts it and waits for its own end: the exit status."""
        self.start(*arguments)
        return self.wait(seconds)

    def wait(self, seconds=60):
        status = self.process.wait(seconds)
        self.check_log()
        return status

    @property
    def log(self):
        if self.process is None:
            return ""
        with open(self.log_file, errors="replace") as file:
            return file.read()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def check_running(self):
        if not self.running:
            self.check_log()
        assert self.running, "fastlane ended by itself, status %s:\n%s" % (
            self.process.returncode, self.log[-1000:],
        )

    def check_log(self):
        """A report fails the test once, not again when the test is cleared up."""
        found = not self.reported and SANITIZER.search(self.log)
        self.reported = self.reported or bool(found)
        assert not found, "a sanitizer's report, see the log"
        for secret in self.secrets():
            assert secret not in self.log, "a password in the log"

    def secrets(self):
        """Passwords of the configuration that are not words which the log may have anyway."""
        for keys in self.sections.values():
            text = keys.get("password", "")
            if "password_file" in keys:
                try:
                    with open(keys["password_file"]) as file:
                        text = file.read().rstrip("\n")
                except OSError:
                    continue
            if len(text) >= 8:
                yield text

    def wait_for(self, condition, what, seconds=60):
        return wait_for(condition, what, seconds, self.check_running)

    def wait_log(self, pattern, seconds=60):
        return self.wait_for(lambda: re.search(pattern, self.log), "log has " + pattern, seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def position_file(self, sink):
        return "%s/state/%s.position" % (self.dir, sink)

    def remove_position(self, sink):
        os.remove(self.position_file(sink))

    def stop(self, seconds=5, code=0):
        """SIGTERM, which ends it in time and with that status. Returns the seconds it took."""
        self.check_running()
        started = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("still there %d s after SIGTERM:\n%s" % (seconds, self.log[-1000:]))
        self.check_log()
        assert status == code, "status %d after SIGTERM:\n%s" % (status, self.log[-1000:])
        return time.monotonic() - started

    def kill(self):
        if self.running:
            self.process.kill()
        if self.process:
            self.process.wait()
