"""The loopback servers, as a context: HTTP, HTTPS with an authority of its own, FTP."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path


class Servers:
    def __init__(self, root: Path, latency_ms: int) -> None:
        program = os.environ.get("RUSTFITS_LOOPBACK", "target/release/loopback")
        options = {"--root": root, "--latency-ms": latency_ms, "--ca-out": root.parent / "ca.pem"}
        words = [*(word for option in options.items() for word in option), "--http", "--https", "--ftp"]
        self._process = subprocess.Popen([program, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.urls: dict[str, str] = json.loads(self._process.stdout.readline())

    def url(self, protocol: str, name: str) -> str:
        return f"{self.urls[protocol]}/{name}"

    @property
    def ca_file(self) -> str:
        return self.urls["ca"]

    def clear_log(self) -> None:
        self._page("_clear")

    def log(self) -> list[dict]:
        """What the HTTP server was asked since the log was cleared."""
        return json.loads(self._page("_log"))

    def _page(self, page: str) -> bytes:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.url("http", page)) as answer:
            return answer.read()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_error: object) -> None:
        # The program ends with its input.
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
