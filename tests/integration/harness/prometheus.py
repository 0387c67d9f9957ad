# SPDX-License-Identifier: Apache-2.0
"""Prometheus itself, scraping one daemon."""

import json
import os
import subprocess
import urllib.parse
import urllib.request

from .servers import free_port
from .wait import wait_for

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
RULES = os.path.normpath(TOP + "/etc/prometheus-rules.yml")
RULES_TEST = os.path.normpath(TOP + "/tests/support/prometheus/rules_test.yml")
DASHBOARD = os.path.normpath(TOP + "/etc/grafana-dashboard.json")

CONFIGURATION = """\
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ['%s']
scrape_configs:
  - job_name: fastlane
    static_configs: [{targets: ['%s']}]
"""


class Prometheus:
    def __init__(self, folder, target):
        self.port = free_port()
        self.log = folder + "/prometheus.log"
        with open(folder + "/prometheus.yml", "w") as file:
            file.write(CONFIGURATION % (RULES, target))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", "--config.file=%s/prometheus.yml" % folder, "--log.level=warn",
                 "--storage.tsdb.path=%s/tsdb" % folder, "--web.listen-address=127.0.0.1:%d" % self.port],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(self.is_ready, "Prometheus is ready", 30)
        except AssertionError:
            self.stop()
            raise

    def get(self, path, **parameters):
        url = "http://127.0.0.1:%d%s?%s" % (self.port, path, urllib.parse.urlencode(parameters))
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()

    def api(self, name, **parameters):
        answer = json.loads(self.get("/api/v1/" + name, **parameters))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """(labels, value) of each series."""
        return [(one["metric"], float(one["value"][1]))
                for one in self.api("query", query=expression)["result"]]

    def is_ready(self):
        try:
            return b"Ready" in self.get("/-/ready")
        except OSError:
            with open(self.log) as log:
                assert self.process.poll() is None, log.read()
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
