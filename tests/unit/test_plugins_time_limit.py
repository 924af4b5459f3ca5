"""A plugin that does not return, or that was written for another gateway, is named and does not hold up the host."""

from __future__ import annotations

import signal
from threading import Event, Thread
from typing import Any

import pytest

from llm_gateway import API_VERSION, Decision, Posture, Prompt, Proposal, Request, hookimpl
from llm_gateway.errors import ProviderFailed
from llm_gateway.plugins import PluginHost, PluginState, calls, find
from tests.unit.plugin_samples import Parrot, Point, Watcher

REQUEST = Request(provider="parrot", prompt=Prompt(text="hello"), working_dir="/")
PROPOSAL = Proposal(
    request=REQUEST, posture=Posture.PROMPTED, strategy="legacy", strictness="balanced", bypass_allowed=False
)


def hang(*_: Any) -> None:
    Event().wait(30)
    raise AssertionError("it was waited for")


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "HOOK_S", 0.05)
    monkeypatch.setattr(find, "IMPORT_S", 0.05)


def test_an_import_that_hangs_is_interrupted_and_the_others_load() -> None:
    host = PluginHost([Point("broken", hang), Point("parrot", Parrot)])
    host.load_all()
    assert list(host.providers) == ["parrot"]
    (problem,) = host.problems
    assert problem.startswith("plugin broken (parrot-dist 1.2): ")
    assert "TimeoutError" in problem


def test_a_description_that_hangs_is_interrupted() -> None:
    class Slow(Parrot):
        @hookimpl
        def gateway_describe_provider(self) -> Any:
            return hang()

    host = PluginHost([Point("slow", Slow)])
    host.load_all()
    assert [record.state for record in host.records] == [PluginState.FAILED]
    assert "TimeoutError" in host.problems[0]


def test_a_policy_that_hangs_denies() -> None:
    class Hesitant:
        @hookimpl
        def gateway_approve(self) -> Any:
            return hang()

    host = PluginHost()
    host.register(Hesitant(), kind="policy", name="hesitant")
    ((_, verdict),) = host.approve(PROPOSAL)
    assert verdict.decision is Decision.DENY
    assert "plugin hesitant failed in gateway_approve: TimeoutError" in verdict.reasons[0]


def test_a_provider_that_swallows_the_interruption_is_interrupted_again() -> None:
    class Stubborn(Parrot):
        tries = 0

        @hookimpl
        def gateway_build_argv(self) -> Any:
            while self.tries < 3:
                try:
                    hang()
                except TimeoutError:
                    self.tries += 1
            return hang()

    host = PluginHost()
    host.register(Stubborn(), kind="provider", name="parrot")
    with pytest.raises(ProviderFailed, match="plugin parrot failed in gateway_build_argv: TimeoutError"):
        host.build_argv("parrot", REQUEST, Posture.PROMPTED, host.resume_session("parrot", REQUEST, None))


def test_nothing_rings_after_an_answer_in_time_and_the_signal_is_given_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    host = PluginHost()
    host.register(Parrot(), kind="provider", name="parrot")
    host.resume_session("parrot", REQUEST, None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_in_another_thread_only_the_one_who_asked_waits() -> None:
    gate = Event()

    class Patient(Parrot):
        @hookimpl
        def gateway_list_models(self) -> Any:
            gate.wait(30)
            return ()

    host = PluginHost()
    host.register(Patient(), kind="provider", name="parrot")
    answers: list[Any] = []
    asking = Thread(target=lambda: answers.append(host.list_models("parrot")))
    asking.start()
    assert host.resume_session("parrot", REQUEST, None).fresh
    gate.set()
    asking.join(30)
    assert answers == [()]


def test_a_plugin_of_another_api_is_refused_and_one_of_this_one_is_not() -> None:
    host = PluginHost()
    for name, number in (("old", API_VERSION - 1), ("new", API_VERSION + 1), ("right", API_VERSION)):
        watcher = Watcher()
        watcher.GATEWAY_API = number  # type: ignore[attr-defined]  # what a module would say
        host.register(watcher, kind="extension", name=name)
    states = {record.name: record.state for record in host.records}
    assert states == {"new": PluginState.FAILED, "old": PluginState.FAILED, "right": PluginState.LOADED}
    assert f"plugin old: it was written for plugin API 0, this gateway has {API_VERSION}" in host.problems[0]
