"""Fixtures for every suite that needs a model to talk to."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest


class ModelServer:
    """The project's own model service (llm_gateway_extension_verify.loopback), running for one test."""

    def __init__(self, url: str) -> None:
        self.url = url

    def log(self, *, bodies: bool = False) -> list[dict[str, Any]]:
        """What it was asked, oldest first; with `bodies`, what was sent stands parsed under `body`."""
        with urllib.request.urlopen(f"{self.url}/log{'?bodies=1' if bodies else ''}", timeout=10) as answer:
            entries: list[dict[str, Any]] = json.load(answer)
        return [{**e, "body": json.loads(e["body"])} if e.get("body") else e for e in entries]

    def post(self, path: str, body: dict[str, Any], key: str = "any") -> tuple[int, bytes]:
        """Ask it something directly."""
        headers = {"content-type": "application/json", "x-api-key": key}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A model service of this test's own, on a free port; it ends with the test, and if the test dies."""
    command = [sys.executable, "-m", "llm_gateway_extension_verify.loopback", "--until-eof", "--seconds", "900"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield ModelServer(json.loads(process.stdout.readline())["url"])
        finally:
            process.stdin.close()
            process.wait(10)
