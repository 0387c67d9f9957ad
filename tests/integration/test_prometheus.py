# SPDX-License-Identifier: Apache-2.0
"""The metrics as Prometheus reads them, and what etc/ makes of them: alerts and a dashboard."""

import json
import re
import subprocess
import urllib.request

from harness import workload
from harness.prometheus import DASHBOARD, RULES, RULES_TEST, Prometheus
from harness.servers import free_port
from harness.wait import wait_for

NAME = re.compile(r"\b(?:fastlane|process)_[a-z0-9_]+\b")


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_else():
    alerts = set(re.findall(r"- alert: (\w+)", open(RULES).read()))
    assert len(alerts) > 8
    assert "%d rules found" % len(alerts) in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", RULES_TEST)
    assert set(re.findall(r'alertname="(\w+)"', open(RULES_TEST).read())) == alerts


def panels(within):
    for panel in within["panels"]:
        yield panel
        yield from panels({"panels": panel.get("panels", [])})


def expressions():
    """The dashboard's, for Prometheus, with the panel's title."""
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    numbers = [panel["id"] for panel in panels(dashboard)]
    assert len(set(numbers)) == len(numbers)
    named = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            text = target["expr"]
            assert set(re.findall(r"\$(\w+)", text)) <= named | {"__rate_interval"}, panel["title"]
            text = text.replace("$__rate_interval", "30s")
            yield panel["title"], re.sub(r"\$\w+", ".*", text)
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], re.sub(r"\$\w+", ".*", annotation["expr"])


def test_prometheus_scrapes_it_and_finds_all_that_rules_and_dashboard_name(mariadb, rig, db, folder):
    port = free_port()
    r = rig(mariadb, workload.tables(db, mariadb.flavour))
    r.daemon.sections["http"] = {"listen": "127.0.0.1:%d" % port}
    r.daemon.write()
    r.daemon.start()
    r.settle()
    prometheus = Prometheus(folder, "127.0.0.1:%d" % port)
    try:
        wait_for(lambda: prometheus.query("up == 1"), "Prometheus has scraped it")
        workload.Workload(mariadb, db, 300).start().join()
        r.settle()
        with urllib.request.urlopen("http://127.0.0.1:%d/status" % port, timeout=10) as answer:
            said = {sink["name"]: sink for sink in json.load(answer)["sinks"]}
        for metric, member in (("operations_total", "operations"), ("transactions_total", "transactions")):
            wanted = {name: sink[member] for name, sink in said.items()}
            assert wanted["hot"] > 100
            wait_for(lambda: {labels["sink"]: value for labels, value in prometheus.query(
                "fastlane_sink_" + metric)} == wanted, "%s is %s" % (metric, wanted))
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=10) as answer:
            there = set(re.findall(r"(?m)^(\w+)", answer.read().decode()))
        rules = [rule for group in wait_for(
            lambda: all(rule["health"] != "unknown" for group in prometheus.api("rules")["groups"]
                        for rule in group["rules"]) and prometheus.api("rules")["groups"],
            "the rules are evaluated") for rule in group["rules"]]
        assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
        # While all is well; those with "for" are pending at most.
        assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
        shown = list(expressions())
        assert len(shown) > 20
        for title, text in shown + [(rule["name"], rule["query"]) for rule in rules]:
            names = set(NAME.findall(text)) or {"up"}
            assert names <= there | {"up"}, "%s: no %s" % (title, names - there)
        for title, text in shown:
            if title != "Starts":  # there was none
                wait_for(lambda: prometheus.query(text), "%s has values: %s" % (title, text))
    finally:
        prometheus.stop()
    r.daemon.stop()
