"""A real Chromium, driven over its debugging protocol: what a page does there, not what it says it does."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import websocket_connect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium: apt-get install chromium")


class Tab:
    """One page, and everything that it reported."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.count, self.events = socket, 0, []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.count += 1
        await self.socket.write_message(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self.socket.read_message())
            if answer.get("id") == self.count:
                return answer.get("result", answer)
            self.events.append(answer)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 30) -> Any:
        """The first true value of an expression."""
        for _ in range(int(seconds / 0.1)):
            if found := await self.value(expression):
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"never true: {expression}")

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """A screenshot as PNG."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for, but for the page itself and what it holds."""
        asked = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "file:", "blob:"))]

    @property
    def complaints(self) -> list[Any]:
        """Exceptions, and errors and warnings of the console."""
        return [
            e
            for e in self.events
            if e.get("method") == "Runtime.exceptionThrown"
            or (e.get("method") == "Log.entryAdded" and e["params"]["entry"]["level"] in ("error", "warning"))
            or (e.get("method") == "Runtime.consoleAPICalled" and e["params"]["type"] in ("error", "warning"))
        ]


def visit(page: Path, profile: Path, doing: Callable[[Tab], Awaitable[None]], size: tuple[int, int]) -> Tab:
    """Open a page in a window of `size` (width, height), and do something there."""

    async def visiting() -> Tab:
        flags = [*FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(["chromium", *flags], stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            port = next(found[1] for line in process.stderr if (found := re.search(r"ws://[^:]+:(\d+)/", line)))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as tabs:
                address = next(tab for tab in json.load(tabs) if tab["type"] == "page")["webSocketDebuggerUrl"]
            tab = Tab(await websocket_connect(address, max_message_size=10**8))
            for domain in ("Network", "Page", "Runtime", "Log"):
                await tab.call(f"{domain}.enable")
            await tab.call("Page.navigate", url=page.as_uri())
            await tab.until("document.readyState === 'complete'")
            await doing(tab)
            return tab
        finally:
            process.terminate()
            process.wait()

    return asyncio.run(visiting())
