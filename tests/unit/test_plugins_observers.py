"""Observers: told in order, in a thread of their own, and waited for at the end."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from llm_gateway import PluginHost, hookimpl
from llm_gateway.plugins import calls, observers
from llm_gateway.plugins.observers import Observers


class Watching:
    """Notes what it learns; blocks while its gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.learned: list[tuple[Any, str]] = []

    @hookimpl
    def gateway_job_changed(self, job: Any) -> None:
        self.gate.wait(30)
        self.learned.append((job, threading.current_thread().name))


def watched(plugin: object) -> Observers:
    host = PluginHost()
    host.register(plugin, kind="extension", name="watching")
    return Observers(host)


def test_a_slow_observer_holds_up_nobody_and_learns_all_in_order() -> None:
    plugin = Watching()
    found = watched(plugin)
    for number in range(20):
        found.job_changed(number)  # type: ignore[arg-type]  # nobody looks at it
    assert plugin.learned == []
    plugin.gate.set()
    found.close()
    assert [job for job, _ in plugin.learned] == list(range(20))
    assert threading.current_thread().name not in {thread for _, thread in plugin.learned}


def test_an_observer_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(observers, "_CLOSE_S", 0.05)
    plugin = Watching()
    found = watched(plugin)
    found.job_changed(1)  # type: ignore[arg-type]  # nobody looks at it
    found.close()
    assert "observers did not take in" in caplog.text
    plugin.gate.set()
    for thread in threading.enumerate():
        if thread.name == "llm-gateway-observers":
            thread.join(5)


def test_a_slow_hook_is_logged_with_its_plugin(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(calls, "SLOW_S", 0.0)
    host = PluginHost()
    plugin = Watching()
    plugin.gate.set()
    host.register(plugin, kind="extension", name="watching")
    with caplog.at_level(logging.WARNING):
        host.job_changed(1)  # type: ignore[arg-type]  # nobody looks at it
    assert "plugin watching took" in caplog.text
    assert "gateway_job_changed" in caplog.text
