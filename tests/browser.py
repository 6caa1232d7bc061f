"""Debian's chromium without a window, driven over a pipe: pages opened, clicks, keys, screenshots, and what the console said.

It speaks the DevTools protocol: JSON documents, each ended by a zero byte, on the descriptors 3 (to the browser) and 4 (from it).
"""

import base64
import fcntl
import io
import json
import os
import shutil
import subprocess
import time

import numpy as np
from PIL import Image

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--headless", "--no-sandbox", "--remote-debugging-pipe", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip
_CODES = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """One page at a time. `said` holds the errors and warnings of the console, and exceptions, since the page was opened."""

    def __init__(self, folder):
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()

        def on_three_and_four():
            ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (to_read, to_write)]
            for number, end in enumerate(ends, 3):
                os.dup2(end, number)

        self._process = subprocess.Popen([CHROMIUM, *_FLAGS, f"--user-data-dir={folder}"], pass_fds=(3, 4), preexec_fn=on_three_and_four,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._answers, self._rest, self._count, self._session, self.said = {}, b"", 0, None, []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def close(self):
        self._call("Browser.close")
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(self, path, size=(1280, 800), dark=False, touch=False):
        """Open a file and wait until its scene is drawn."""
        self.said, self.asked = [], []
        self.resize(size, touch)
        self._call("Emulation.setTouchEmulationEnabled", enabled=touch)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        for url, ready in (("about:blank", "true"), (path.absolute().as_uri(), "!!document.documentElement.dataset.ready")):
            self._call("Page.navigate", url=url)
            while not self._is(f"location.href === {json.dumps(url)} && {ready}"):
                trouble = self._is("!(document.getElementById('trouble')?.hidden ?? true)")
                assert not trouble, self.said
                time.sleep(0.05)
        self.settle()

    def resize(self, size, touch=False):
        """The window gets another size, (width, height)."""
        self._call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=touch)

    def _is(self, expression):
        """Whether something holds; not while the page is being exchanged for another."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value") is True

    def ask(self, expression):
        """The value of an expression of JavaScript, awaited."""
        found = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(1), 30))))")

    def click(self, selector, shift=False):
        """A real click at the middle of an element, which is scrolled to."""
        place = self.ask(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'nearest'}});"
                         "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")  # fmt: skip
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1, modifiers=8 * shift)
        self.settle()

    def drag(self, start, end):
        """The mouse pressed at a point of the page, moved and released."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        self.settle()

    def swipe(self, start, end):
        """A finger that goes from one point to another."""
        for kind, points in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
            self._call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])
        self.settle()

    def press(self, key, shift=False, times=1):
        """A key of the keyboard, some times."""
        code = _CODES.get(key, ord(key.upper()[0]))
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        told = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift}
        for _ in range(times):
            self._call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **told, **({"text": text} if text else {}))
            self._call("Input.dispatchKeyEvent", type="keyUp", **told)
        self.settle()

    def screenshot(self, path=None):
        """What the page looks like, uint8 [H, W, 3]."""
        data = base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(data)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def _call(self, method, **parameters):
        self._count += 1
        number, message = self._count, {"id": self._count, "method": method, "params": parameters}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while number not in self._answers:
            data = os.read(self._from, 1 << 20)
            assert data, "the browser ended"
            *whole, self._rest = (self._rest + data).split(b"\0")
            for each in map(json.loads, whole):
                if "id" in each:
                    self._answers[each["id"]] = each
                else:
                    self._note(each["method"], each["params"])
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _note(self, method, told):
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.said.append([each.get("value", each.get("description")) for each in told["args"]])
        elif method == "Runtime.exceptionThrown":
            self.said.append(told["exceptionDetails"])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.said.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
