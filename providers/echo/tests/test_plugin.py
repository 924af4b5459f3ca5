"""The hooks, and the decisions that need no run."""

import re
import sys
from datetime import datetime, timezone
from importlib.metadata import entry_points, version

import pytest

from llm_gateway import (
    JobId,
    NativeSessionId,
    PluginHost,
    Posture,
    Prompt,
    Record,
    Request,
    Session,
    SessionId,
    Usage,
)
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_echo import plugin, upgrade
from llm_gateway_provider_echo.agent.turn import VERSION
from llm_gateway_provider_echo.resume import enter

PROVIDER = plugin.EchoProvider()
UUID = NativeSessionId("0a1b2c3d-0000-4000-8000-00000000abcd")
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
REQUEST = Request(provider="echo", prompt=Prompt(text="hello"), working_dir="/tmp")


def session(native_id: NativeSessionId | None) -> Session:
    return Session(
        id=SessionId("gw-1"),
        provider="echo",
        principal="local",
        working_dir="/tmp",
        native_id=native_id,
        created_at=NOW,
        last_used_at=NOW,
    )


def record(usage: Usage) -> Record:
    return Record(
        job_id=JobId("job-1"),
        principal="local",
        correlation_id="c",
        provider="echo",
        model="echo-1",
        posture=Posture.PROMPTED,
        usage=usage,
        started_at=NOW,
        duration_s=1.0,
        outcome="completed",
    )


def test_every_hook_fits_its_spec() -> None:
    host = PluginHost()
    record = host.register(plugin, kind="provider", name="echo")
    assert record.problem == ""
    assert {"gateway_upgrade_plan", "gateway_account_cache", "gateway_price"} <= {*record.hooks}
    assert host.providers["echo"].title == "Echo (an imitation agent)"


def test_it_is_found_by_its_entry_point() -> None:
    (found,) = entry_points(group="llm_gateway.provider", name="echo")
    assert found.load() is plugin


def test_the_program_prints_the_version_of_its_distribution() -> None:
    assert version(upgrade.DISTRIBUTION) == VERSION
    assert PROVIDER.info.versions_seen == ("0.1.0", VERSION)


def test_without_a_session_the_chosen_id_matches_the_pattern() -> None:
    resume = PROVIDER.resume_session(REQUEST, None)
    assert resume.fresh
    assert resume.native_id
    assert re.fullmatch(PROVIDER.info.native_id_pattern, resume.native_id)


def test_a_session_without_a_native_id_gets_a_new_id() -> None:
    resume = enter(session(None), UUID)
    assert (resume.native_id, resume.fresh) == (UUID, True)


def test_a_session_with_a_native_id_is_resumed() -> None:
    resume = enter(session(UUID), NativeSessionId("another"))
    assert (resume.native_id, resume.fresh) == (UUID, False)


def test_models_are_listed_with_their_source() -> None:
    models = PROVIDER.list_models(None)
    assert [model.id for model in models if model.default] == ["echo-1"]
    assert all(model.source for model in models)


def test_the_next_turn_reads_what_this_turn_read_and_wrote() -> None:
    account = PROVIDER.account_cache(record(Usage(cache_read_tokens=1_000_000, cache_creation_tokens=8)), ())
    assert account
    assert (account.read_tokens, account.written_tokens, account.ttl_s) == (1_000_000, 8, 300.0)
    assert account.held_tokens == 1_000_008


def test_with_unknown_tokens_the_cache_account_is_none() -> None:
    assert PROVIDER.account_cache(record(Usage()), ()) is None


def test_only_its_own_models_have_a_price() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=10_000, cache_creation_tokens=2_000)
    by_hand = (1_000 * 1.00 + 100 * 5.00 + 10_000 * 0.10 + 2_000 * 1.25) / 1e6
    cost = PROVIDER.price(usage, "echo-1")
    assert cost
    assert cost.usd == pytest.approx(by_hand)
    assert PROVIDER.price(usage, "echo-2") is None


def test_the_upgrade_is_for_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade.importlib.util, "find_spec", lambda name: object())
    plan = upgrade.plan("0.2.0")
    assert plan
    assert plan.argv == (sys.executable, "-m", "pip", "install", "--upgrade", "llm-gateway-provider-echo==0.2.0")


def test_without_pip_the_upgrade_uses_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(upgrade, "find_executable", lambda name, environ: "/bin/uv")
    plan = upgrade.plan(None)
    assert plan
    assert plan.argv[:2] == ("/bin/uv", "pip")
    assert plan.argv[-1] == "llm-gateway-provider-echo"


def test_without_pip_and_uv_there_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(upgrade, "find_executable", lambda name, environ: None)
    assert upgrade.plan(None) is None


@pytest.mark.parametrize("target", ["", " @ elsewhere", "--index-url=x", "1.0; rm"])
def test_a_target_that_is_not_a_version_is_refused(target: str) -> None:
    with pytest.raises(InvalidRequest):
        upgrade.plan(target)
