# SPDX-License-Identifier: Apache-2.0
"""The run as tables and as a plot."""

import math
import shutil
import subprocess

from .contenders import CONTENDERS, OURS
from .measuring import paired
from .targets import judge

INTO = {None: "", "stdout": "JSON lines", "redis": "Redis", "memcached": "memcached",
        "all": "all three"}
ROW = "| %-12s | %-38s | %9s | %8s | %8s | %19s | %8s | %9s | %8s | %9s | %6s | %6s | %8s |"
HEAD = ("into", "who", "rows", "seconds", "k rows/s", "min ... max", "no start", "x packets", "x trial",
        "CPU us/row", "cache", "source", "peak MiB")


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
        rest = series.less(found["start"]) if contender.name in OURS and "start" in found else None
        shares = [series.share(server) for server in ("Redis", "MemcachedServer")]
        yield ROW % (
            INTO[contender.into], contender.title, series.runs[0].rows, "%.3f" % series.seconds,
            number(series.rate / 1000), "%s ... %s" % tuple(number(rate / 1000) for rate in series.spread),
            number(rest.rate / 1000) if rest else "", against("packets"), against(yardstick(contender)),
            number(series.cpu), " ".join(percent(share) for share in shares if share is not None),
            percent(series.share("source")), "%.1f" % series.peak)


def report(workloads, results, notes):
    """Markdown."""
    for note in notes:
        yield "- " + note
    yield ""
    yield "`no start`: the rate without the time in which fastlane starts, looks at the source and ends, as `start`"
    yield "takes it in the same round. `x packets`, `x trial`: rates, with that time in them, median of the rounds'"
    yield "ratios. `cache`, `source`: the share of a processor that those servers were busy for. Medians of all"
    yield "rounds, peaks the highest."
    for workload in workloads:
        if workload.name not in results:
            continue
        yield ""
        yield "### %s: %s, %.0f bytes of binlog a row" % (
            workload.name, workload.title, workload.size / workload.rows)
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
    yield "Without fastlane's start and end: their time, as above, taken off fastlane's side alone."
    yield ""
    yield "| target | workload | bound | seen | | without start and end | |"
    yield "|---|---|---|---|---|---|---|"
    for target, workload, seen, rest in judge(results):
        yield "| %s | %s | %s %s | %s | %s | %s | %s |" % (
            target.text, workload, ">=" if target.least else "<=", number(target.bound),
            *verdict(target, seen), *verdict(target, rest))


def verdict(target, seen):
    if seen is None:
        return "not measured", ""
    return number(seen), "met" if target.is_met(seen) else "**missed**"


# A panel each: who, called what, in which colour. Ours stands out, limits are pale.
PANELS = {
    "JSON lines": (("packets", "packets alone", "#dddddd"), ("trial", "trial", "#9aa5b1"),
                   ("stdout", "fastlane", "#d1495b"), ("connector", "Connector/C's row reader", "#66a182"),
                   ("zongji", "zongji", "#2e4057"), ("mariadb-binlog", "mariadb-binlog -vv", "#edae49")),
    "Redis": (("redis-writer", "plain writer", "#dddddd"), ("redis-trial", "trial", "#9aa5b1"),
              ("redis", "fastlane", "#d1495b"), ("redis-zongji", "zongji, node-redis", "#2e4057")),
    "memcached": (("memcached-writer", "plain writer", "#dddddd"), ("memcached-trial", "trial", "#9aa5b1"),
                  ("memcached", "fastlane", "#d1495b"),
                  ("memcached-library", "libmemcached, one at a time", "#66a182")),
}
HEIGHT = 280  # of a panel


def script(workloads, results, path):
    """gnuplot's: a panel a sink, a group of bars a workload, each with its number."""
    shown = [workload for workload in workloads if workload.name in results]
    panels = [(title, [bar for bar in bars if any(bar[0] in found for found in results.values())])
              for title, bars in PANELS.items()]
    panels = [(title, bars) for title, bars in panels if bars]
    if not panels:
        return
    yield "set terminal svg size 1000,%d font 'Helvetica,13' background 'white'" % (HEIGHT * len(panels) + 30)
    yield "set output '%s'" % path
    yield "set multiplot layout %d,1 title 'thousand rows a second, logarithmic'" % len(panels)
    yield "set logscale y"
    yield "set format y '%g'"
    yield "set style fill solid noborder"
    yield "set boxwidth 0.9 absolute"
    yield "set grid ytics linecolor rgb '#e8e8e8'"
    yield "set border 3 linecolor rgb '#808080'"
    yield "set tics nomirror scale 0.5 textcolor rgb 'black'"
    yield "set xtics font ',11'"
    yield "set lmargin 9"
    yield "set rmargin 30"
    yield "set bmargin 4"
    yield "set key at graph 1.02,0.95 left top vertical Left reverse samplen 1.5 width -2"
    for number_of, (title, bars) in enumerate(panels):
        width, rates = len(bars) + 1, []
        yield "$data%d << END" % number_of
        for i, bar in enumerate(bars):
            for group, workload in enumerate(shown):
                series = results[workload.name].get(bar[0])
                if series is not None:
                    rates.append(series.rate / 1000)
                    yield "%d %d %.4f %s" % (i, group * width + i, rates[-1], '"{/:Bold %s}"' % number(rates[-1])
                                             if bar[0] in OURS else number(rates[-1]))
        yield "END"
        # Room for the numbers above the bars, and for the least of them to be seen.
        yield "set yrange [%g:%g]" % (10 ** math.floor(math.log10(min(rates) * 0.7)), max(rates) * 4)
        yield "set xtics (%s)" % ", ".join(
            '"%s\\n%s" %g' % (workload.name, workload.title.replace(", ", ",\\n"), group * width + (len(bars) - 1) / 2)
            for group, workload in enumerate(shown))
        yield "set xrange [-1:%d]" % (len(shown) * width - 1)
        yield "set label 1 '{/:Bold into %s}' at graph 0,1.06 left" % title
        yield "plot " + ", ".join(
            "$data%d using ($1==%d?$2:NaN):3 with boxes linecolor rgb '%s' title \"%s\"" % (
                number_of, i, colour, called)
            for i, (_, called, colour) in enumerate(bars)) + \
            ", $data%d using 2:3:4 with labels offset 0,0.6 font ',10' notitle" % number_of
    yield "unset multiplot"


def plot(workloads, results, path):
    if not shutil.which("gnuplot"):
        return "no plot: gnuplot is missing (apt-get install gnuplot-nox)"
    text = "\n".join(script(workloads, results, path))
    if not text:
        return "no plot: nothing of it was measured"
    subprocess.run(["gnuplot"], input=text + "\n", text=True, check=True)
    return "plot: " + path
