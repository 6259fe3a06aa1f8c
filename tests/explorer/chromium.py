"""A headless Chromium that opens pages from the disk, driven by selenium."""

import os
import shutil
import tempfile
import time
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


def missing():
    """The programs or packages that these tests lack; "" if none."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    if not any(map(shutil.which, BROWSERS)):
        return f"no browser is installed: none of {', '.join(BROWSERS)}"
    return "" if shutil.which("chromedriver") else "chromedriver is not installed"


def skip_without_browser():
    """Skip a test without a browser, or fail it if SCRATCHVAE_REQUIRE_BROWSER is set."""
    if reason := missing():
        if os.environ.get("SCRATCHVAE_REQUIRE_BROWSER"):
            pytest.fail(f"SCRATCHVAE_REQUIRE_BROWSER is set, but {reason}")
        pytest.skip(reason)


@contextmanager
def browser():
    """A `Browser` with an empty profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = next(path for path in map(shutil.which, BROWSERS) if path)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield Browser(driver)
        finally:
            driver.quit()


class Browser:
    """A browser window, with what the tests do in it. Places are in pixels from the left and the top of an element."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, width=1280, height=900, theme="light", touch=False, before=""):
        """Open a page in a window of this size, and wait until it is ready; `before` is JavaScript to run before it."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.command("Emulation.setTouchEmulationEnabled", enabled=touch)
        watch = "addEventListener('error', (event) => (window.firstError = event.message));"
        script = self.command("Page.addScriptToEvaluateOnNewDocument", source=watch + before)
        self.driver.get(path.as_uri())
        self.command("Page.removeScriptToEvaluateOnNewDocument", **script)
        self.wait_for("window.scratchvae || window.firstError || !document.getElementById('failure').hidden")
        assert self.run("return window.firstError") is None
        self.settle()

    def command(self, name, **settings):
        return self.driver.execute_cdp_cmd(name, settings)

    def run(self, script, *arguments):
        """The value of JavaScript; `arguments[0]`, … are the arguments."""
        return self.driver.execute_script(script, *arguments)

    def value(self, expression):
        """The value of an expression; arrays of numbers come as lists."""
        return self.run(
            f"return JSON.parse(JSON.stringify({expression}, (k, v) => ArrayBuffer.isView(v) ? Array.from(v) : v))"
        )

    def wait_for(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, f"{condition} is still false after {seconds} s"
            time.sleep(0.02)

    def settle(self):
        """Wait until the changes so far are on the screen, also those that wait for a pause."""
        self.driver.execute_async_script(
            "const done = arguments[0]; setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 250)"
        )

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def click(self, selector):
        self.scroll_to(selector)
        self.find(selector).click()
        self.settle()

    def choose(self, selector, value):
        """Choose an option, or set an input, as a user does."""
        self.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "for (const name of ['input', 'change']) e.dispatchEvent(new Event(name, {bubbles: true}))",
            selector,
            str(value),
        )
        self.settle()

    def press(self, selector, *keys):
        element = self.find(selector)
        for key in keys:
            element.send_keys(key)
        self.settle()

    def scroll_to(self, selector):
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)

    def pixels(self, selector):
        """The picture of a canvas as a text: equal texts are equal pictures."""
        return self.run("return document.querySelector(arguments[0]).toDataURL()", selector)

    def drag(self, selector, *places, touch=False, release=True):
        """Press at the first place of an element, move over the others, and release."""
        self.scroll_to(selector)
        left, top = self.run(
            "const b = document.querySelector(arguments[0]).getBoundingClientRect(); return [b.left, b.top]", selector
        )
        points = [(left + x, top + y) for x, y in places]
        for k, (x, y) in enumerate(points):
            if touch:
                kind = "touchStart" if k == 0 else "touchMove"
                self.command("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
            else:
                kind = "mousePressed" if k == 0 else "mouseMoved"
                self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        if release and touch:
            self.command("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        elif release:
            x, y = points[-1]
            self.command("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)
        self.settle()

    def hover(self, selector, place):
        self.scroll_to(selector)
        left, top = self.run(
            "const b = document.querySelector(arguments[0]).getBoundingClientRect(); return [b.left, b.top]", selector
        )
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=left + place[0], y=top + place[1])
        self.settle()

    def messages(self):
        """The warnings and errors in the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]

    def addresses(self):
        """The addresses that were requested since the last call."""
        import json

        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return {request["request"]["url"] for request in requests}
