# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import argparse
import collections
import os
import shutil
import signal
import sys
import tempfile

DESCRIPTION = """\
Follows a server with fastlane's stdout sink, folds the stream into tables, and compares them with
SELECT at the same position: for SQL scripts, or for random ones, one for each seed.
Ends with status 0 only if nothing differs and nothing is in doubt."""


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/oracle/run", description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("scripts", nargs="*", metavar="SCRIPT.sql",
        help="scripts to run, each on databases of its own; see script.py for directives")
    add("--server", default="mariadb", help="mariadb, mariadb118, mysql, mysql56 or all")
    add("--seeds", default="1-10", metavar="A-B", help="without a script: the seeds (1-10)")
    add("--build", default=os.environ.get("FASTLANE_BUILD", "build-asan"), metavar="DIR")
    add("--metadata", choices=("full", "least"), default="full", help="binlog_row_metadata")
    add("--image", choices=("full", "minimal", "noblob"), default="full",
        help="the sessions' binlog_row_image; where it is not full, columns may be absent")
    add("--features", metavar="A,B", help="what the scripts may use, or all; "
        "by default all that fastlane decodes")
    add("--without", default="", metavar="A,B", help="features to leave out")
    add("--list-features", action="store_true")
    add("--size", type=int, default=250, metavar="N", help="steps of a random script (250)")
    add("--expect-doubt", action="append", default=[], metavar="REGEX",
        help="doubts that are no failures")
    add("--keep", metavar="DIR", help="folder for scripts, streams, logs and binlogs of what failed")
    add("--refused", action="store_true", help="show why statements were refused")
    add("--print", action="store_true", dest="show", help="print the seeds' scripts, run nothing")
    add("--plant", choices=("drop", "alter", "duplicate", "late"),
        help="falsify one line of each stream: the oracle has to find it")
    return parser.parse_args()


def seeds_of(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


class Total:
    def __init__(self):
        self.trials = self.failed = self.seconds = 0
        self.figures = collections.Counter()
        self.refused = collections.Counter()

    def add(self, trial):
        self.trials += 1
        self.failed += trial.failed
        fold, count = trial.fold, trial.count
        self.seconds += trial.seconds
        self.refused.update(trial.player.refused)
        self.figures.update({
            "statements": trial.player.statements, "transactions": fold.transactions,
            "changes": fold.changes, "barriers": trial.barriers, "rows": count.rows,
            "values": count.values + fold.checked, "adopted": count.adopted,
            "rows adopted": count.adopted_rows, "doubts": len(fold.doubts),
            "differences": len(fold.problems), "restarts": trial.restarts,
        })

    def __str__(self):
        return "%d runs, %d failed, %.0f s; %s; %d statements refused" % (
            self.trials, self.failed, self.seconds,
            ", ".join("%d %s" % (value, name) for name, value in self.figures.items()),
            sum(self.refused.values()))


def works(options, name):
    """What to run on that server: labels and texts."""
    if options.scripts:
        for path in options.scripts:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                yield path, file.read()
        return
    from . import features, generator
    chosen = features.choose(
        name, options.features and options.features.split(","),
        [part for part in options.without.split(",") if part])
    for seed in seeds_of(options.seeds):
        yield "seed %d" % seed, generator.script(
            seed, name, chosen, options.size, careful=options.metadata == "least",
            images=options.image != "full")


def run_server(options, name, root):
    from . import plant, script
    from .source import SERVERS, reset
    from .trial import Trial
    kind = SERVERS[name]
    more = []
    if options.metadata == "least" and kind.least_metadata:
        more.append("--binlog-row-metadata=" + kind.least_metadata)
    source = kind(root + "/" + name, *more)
    total = Total()
    try:
        source.start()
        print("%s: %s" % (name, source.value("SELECT @@version")), flush=True)
        for number, (label, text) in enumerate(works(options, name)):
            folder = "%s/t%d" % (root, number)
            tamper = plant.Tamper(options.plant, label) if options.plant else None
            trial = Trial(folder, source, "binlog_row_image" in text.lower(), options.image,
                          options.expect_doubt, tamper)
            error = None
            try:
                trial.run(script.parse(text))
            except Exception as failure:
                error = failure
            total.add(trial)
            total.failed += bool(error and not trial.failed)
            print("%s %s: %s" % (name, label, trial.summary()))
            lines = trial.report() + ["error: %r" % error] * bool(error)
            if options.refused:
                lines += ["refused %d: %s" % (trial.player.refused[number], text)
                          for number, text in trial.player.refused.shown.items()]
            for line in lines:
                print("    " + line)
            sys.stdout.flush()
            if options.keep and (trial.failed or error):
                kept = "%s/%s-%s" % (options.keep, name, label.replace(" ", "").replace("/", "_"))
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder, kept)
                for path in trial.binlogs():
                    shutil.copy(path, kept)
                with open(kept + "/script.sql", "w", errors="surrogateescape") as file:
                    file.write(text)
            shutil.rmtree(folder)
            reset(source)
    finally:
        source.kill()
    print("%s: %s" % (name, total), flush=True)
    return total


def main():
    options = arguments()
    if options.list_features:
        from . import features
        for name, (where, _, about) in features.FEATURES.items():
            print("%-18s %-20s %s%s" % (
                name, where, about, " (not yet)" if name in features.NOT_YET else ""))
        return 0
    names = ["mariadb", "mariadb118", "mysql", "mysql56"]
    names = names if options.server == "all" else options.server.split(",")
    if options.show:
        for name in names:
            for _, text in works(options, name):
                print(text)
        return 0
    os.environ["FASTLANE_BUILD"] = options.build
    # So that no server is left behind.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    root = tempfile.mkdtemp(prefix="fl-oracle-")
    failed = 0
    try:
        for name in names:
            total = run_server(options, name, root)
            failed += total.failed + (total.trials == 0)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if failed else 0
