# SPDX-License-Identifier: Apache-2.0
"""The run as tables and as a plot."""

import shutil
import subprocess

from .contenders import CONTENDERS
from .measuring import paired
from .targets import judge

INTO = {None: "", "stdout": "JSON lines", "redis": "Redis", "memcached": "memcached",
        "all": "all three"}
ROW = "| %-12s | %-38s | %8s | %8s | %19s | %8s | %8s | %9s | %6s | %6s | %8s |"
HEAD = ("into", "who", "seconds", "k rows/s", "min ... max", "x packets", "x trial", "CPU us/row",
        "cache", "source", "peak MiB")


def number(value):
    if value is None:
        return ""
    return "%.0f" % value if value >= 100 else "%.3g" % value


def percent(share):
    return "" if share is None else "%.0f%%" % (100 * share)


def yardstick(contender):
    return {"redis": "redis-trial", "memcached": "memcached-trial", "stdout": "trial"}.get(contender.into)


def table_of(found):
    yield ROW % HEAD
    yield "|%s" % ("---|" * len(HEAD))
    for contender in CONTENDERS:
        series = found.get(contender.name)
        if series is None or contender.name == "start":
            continue

        def against(name):
            return number(paired(series, found[name], lambda run: run.rate)) if name in found else ""
        shares = [series.share(server) for server in ("Redis", "MemcachedServer")]
        yield ROW % (
            INTO[contender.into], contender.title, "%.3f" % series.seconds, number(series.rate / 1000),
            "%s ... %s" % tuple(number(rate / 1000) for rate in series.spread), against("packets"),
            against(yardstick(contender)), number(series.cpu),
            " ".join(percent(share) for share in shares if share is not None), percent(series.share("source")),
            "%.1f" % series.peak)


def report(workloads, results, notes):
    """Markdown."""
    for note in notes:
        yield "- " + note
    yield ""
    yield "`x packets`, `x trial`: rates, median of the rounds' ratios. `cache`, `source`: the share of a"
    yield "processor that those servers were busy for. Medians of all rounds, peaks the highest."
    for workload in workloads:
        if workload.name not in results:
            continue
        yield ""
        yield "### %s: %s, %d rows, %.0f MiB of binlog" % (
            workload.name, workload.title, workload.rows, workload.size / 2**20)
        yield ""
        yield from table_of(results[workload.name])
        start = results[workload.name].get("start")
        if start:
            yield ""
            yield "fastlane's times include %.0f ms in which it starts, looks at the source and ends." % (
                start.seconds * 1000)
    yield ""
    yield "### Targets"
    yield ""
    yield "| target | workload | bound | seen | |"
    yield "|---|---|---|---|---|"
    for target, workload, seen, met in judge(results):
        yield "| %s | %s | %s %s | %s | %s |" % (
            target.text, workload, ">=" if target.least else "<=", number(target.bound),
            "not measured" if seen is None else number(seen),
            "" if seen is None else "met" if met else "**missed**")


BARS = {
    "JSON lines": ("packets", "trial", "stdout", "connector", "zongji", "mariadb-binlog"),
    "into Redis": ("redis-writer", "redis-trial", "redis", "redis-zongji"),
    "into memcached": ("memcached-writer", "memcached-trial", "memcached", "memcached-library"),
}
# Who is told from whom by its colour; ours stands out.
COLOURS = ["#b0b0b0", "#707070", "#d1495b", "#66a182", "#2e4057", "#edae49"]
LEGEND = {"packets": "packets alone", "redis-writer": "plain writer", "memcached-writer": "plain writer",
          "stdout": "fastlane", "redis": "fastlane", "memcached": "fastlane", "connector": "Connector/C",
          "zongji": "zongji", "mariadb-binlog": "mariadb-binlog", "redis-zongji": "zongji, node-redis",
          "memcached-library": "libmemcached"}


def script(results, path):
    """gnuplot's: a panel a sink, a group of bars a workload."""
    yield "set terminal svg size 1200,420 font 'Helvetica,12' background 'white'"
    yield "set output '%s'" % path
    yield "set multiplot layout 1,%d" % len(BARS)
    yield "set style data histograms"
    yield "set style histogram clustered gap 1"
    yield "set style fill solid border -1"
    yield "set logscale y"
    yield "set yrange [1:20000]"
    yield "set grid ytics"
    yield "set key outside below horizontal"
    yield "set ylabel 'thousand rows a second'"
    for number_of, (title, names) in enumerate(BARS.items()):
        present = [name for name in names if any(name in found for found in results.values())]
        yield "$data%d << END" % number_of
        for workload, found in results.items():
            yield " ".join([workload, *("%.3f" % (found[name].rate / 1000) if name in found else "NaN"
                                        for name in present)])
        yield "END"
        yield "set title '%s'" % title
        yield "plot " + ", ".join(
            "$data%d using %d%s title \"%s\" linecolor rgb '%s'" % (
                number_of, i + 2, ":xtic(1)" if i == 0 else "", LEGEND.get(name, "trial"),
                COLOURS[names.index(name)])
            for i, name in enumerate(present))
    yield "unset multiplot"


def plot(results, path):
    if not shutil.which("gnuplot"):
        return "no plot: gnuplot is missing (apt-get install gnuplot-nox)"
    subprocess.run(["gnuplot"], input="\n".join(script(results, path)) + "\n", text=True, check=True)
    return "plot: " + path
