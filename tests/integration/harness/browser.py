# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, by Debian's chromedriver, in the W3C's WebDriver protocol."""

import base64
import json
import subprocess
import urllib.error
import urllib.request

from .servers import free_port
from .wait import wait_for


class Browser:
    def __init__(self, folder):
        self.port = free_port()
        self.session = None
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=%d" % self.port, "--log-path=%s/chromedriver.log" % folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.is_ready, "chromedriver answers", 30)
        made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--user-data-dir=%s/profile" % folder, "--window-size=1280,1000"]}}}})
        self.session = "/session/" + made["sessionId"]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            "http://127.0.0.1:%d%s" % (self.port, path), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()[:1000]) from None

    def is_ready(self):
        try:
            return self.ask("GET", "/status")["ready"]
        except OSError:
            assert self.driver.poll() is None, "chromedriver has ended"
            return False

    def open(self, url):
        self.ask("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        return self.ask("POST", self.session + "/execute/sync", {"script": script, "args": arguments})

    def wait(self, script, what, seconds=30):
        """`script`: an expression of the page's."""
        return wait_for(lambda: self.run("return " + script), what, seconds)

    def console(self):
        """What the page, or the browser about it, has logged since the last call."""
        return ["%(level)s %(message)s" % entry for entry in
                self.ask("POST", self.session + "/se/log", {"type": "browser"})]

    def command(self, name, **parameters):
        return self.ask("POST", self.session + "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def point(self, selector, share):
        """Moves the pointer into an element, so much of its width from the left."""
        box = self.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + share * box["width"],
                     y=box["y"] + box["height"] / 2)

    def prefer(self, scheme):
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def resize(self, width, height, mobile=False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=mobile)

    def screenshot(self, path):
        """Of the whole page."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.command(
                "Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]))

    def close(self):
        try:
            if self.session:
                self.ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(20)
