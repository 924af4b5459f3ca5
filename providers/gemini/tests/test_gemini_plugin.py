from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from uuid import UUID

import pytest

from llm_gateway import NativeSessionId, Posture, Prompt, Request, Session, new_session_id
from llm_gateway.errors import InvalidRequest, SessionNotResumable
from llm_gateway_provider_gemini import models, upgrade
from llm_gateway_provider_gemini.options import (
    LEVEL_OF,
    GeminiOptions,
    GeminiSettings,
    posture_of,
)
from llm_gateway_provider_gemini.plugin import GeminiProvider
from llm_gateway_provider_gemini.resume import enter
from llm_gateway_provider_kit.upgrades import plan_upgrade

PROVIDER = GeminiProvider()

ID = "2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def request(variant: str = "gemini", working_dir: str = "/project") -> Request:
    return Request(provider="gemini", prompt=Prompt(text="x"), working_dir=working_dir, variant=variant)


def session(native_id: str | None, working_dir: str = "/project") -> Session:
    return Session(
        id=new_session_id(),
        provider="gemini",
        principal="local",
        working_dir=working_dir,
        native_id=NativeSessionId(native_id) if native_id else None,
        created_at=NOW,
        last_used_at=NOW,
    )


@pytest.mark.parametrize("known", [None, session(None)], ids=["no session", "no native id yet"])
def test_trap_20_a_new_conversation_gets_a_random_id(known: Session | None) -> None:
    first, second = enter(request(), known), enter(request(), known)
    assert first.fresh
    assert UUID(first.native_id).version == 4
    assert str(first.native_id)[:8] != str(second.native_id)[:8]


def test_a_known_conversation_of_gemini_is_resumed() -> None:
    resume = enter(request(), session(ID))
    assert (resume.native_id, resume.fresh) == (ID, False)


@pytest.mark.parametrize("native_id", ["latest", "1", "2f0d8a5e", "--yolo", "my-title"])
def test_lesson_75_a_list_index_never_reaches_gemini_cli(native_id: str) -> None:
    with pytest.raises(SessionNotResumable):
        enter(request(), session(native_id))


def test_a_conversation_of_another_directory_is_refused() -> None:
    with pytest.raises(SessionNotResumable, match="/elsewhere"):
        enter(request(), session(ID, "/elsewhere"))
    assert enter(request(working_dir="/project/"), session(ID)).native_id == ID


def test_antigravity_chooses_its_ids_and_resumes_in_any_directory() -> None:
    assert enter(request("agy"), None).native_id is None
    assert enter(request("agy"), session(ID, "/elsewhere")).native_id == ID


@pytest.mark.parametrize(("mode", "level"), LEVEL_OF.items())
def test_an_approval_mode_chooses_its_level(mode: str, level: Posture) -> None:
    assert posture_of(GeminiOptions.model_validate({"approvalMode": mode})) is level


def test_the_request_or_the_settings_choose_the_program() -> None:
    provider = GeminiProvider()
    variant_of = provider.info.variant_of
    assert variant_of(GeminiOptions()) is None
    assert variant_of(GeminiOptions(flavor="agy")) == "agy"
    assert variant_of(None) is None
    provider.configure(GeminiSettings(flavor="gemini"))
    assert variant_of(None) == "gemini"


def test_the_provider_has_two_variants_antigravity_first() -> None:
    info = PROVIDER.info
    assert list(info.variants) == ["agy", "gemini"]
    assert {one.executable for one in info.variants.values()} == {"agy", "gemini"}
    assert info.variants["agy"].postures == (Posture.PROMPTED, Posture.BYPASS)
    assert Posture.WORKSPACE_WRITE not in info.postures
    assert "mcpServers" not in info.variants["agy"].supports


def test_models_are_listed_with_their_sources(tmp_path: Path) -> None:
    chats = tmp_path / ".gemini" / "tmp" / "work" / "chats"
    chats.mkdir(parents=True)
    (tmp_path / ".gemini" / "settings.json").write_text(json.dumps({"model": {"name": "pro"}}))
    records = [{"sessionId": ID}, {"type": "gemini", "model": "gemini-3.8-flash"}, {"type": "gemini", "model": "pro"}]
    (chats / "session-2026-11-22T09-49-2f0d8a5e.jsonl").write_text("\n".join(map(json.dumps, records)) + "\nnot json")
    found = models.list_models({"HOME": str(tmp_path), "GEMINI_MODEL": "mine"}, "flash")
    assert [(model.id, model.default) for model in found] == [
        ("mine", True),
        ("pro", False),
        ("flash", False),
        ("gemini-3.8-flash", False),
    ]
    assert found[0].source == "GEMINI_MODEL"
    assert found[3].source.endswith(".jsonl")


def test_models_of_antigravity_are_from_its_list(tmp_path: Path) -> None:
    catalogue = "Available models:\n* gemini-3.8-flash-high  Gemini 3.8 Flash (High)\n  gemini-3.1-pro-low\n"
    found = models.list_models({"GEMINI_CLI_HOME": str(tmp_path)}, "flash", catalogue)
    assert [model.id for model in found if model.source == "agy models"] == [
        "gemini-3.8-flash-high",
        "gemini-3.1-pro-low",
    ]


def test_a_broken_settings_file_gives_no_model(tmp_path: Path) -> None:
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "settings.json").write_text("[]")
    assert [model.id for model in models.list_models({"HOME": str(tmp_path)}, "flash")] == ["flash"]


@pytest.mark.parametrize(
    ("program", "argv"),
    [
        ("/usr/local/lib/node_modules/@google/gemini-cli/bundle/gemini.js", ("-g", "--prefix", "/usr/local")),
        ("/srv/clis/node_modules/@google/gemini-cli/bundle/gemini.js", ("--prefix", "/srv/clis")),
    ],
)
def test_trap_14_the_upgrade_runs_npm_and_not_the_program(program: str, argv: tuple[str, ...]) -> None:
    plan = plan_upgrade(upgrade.PACKAGE, program, "0.61.0")
    assert plan
    assert plan.argv == ("npm", "install", *argv, "@google/gemini-cli@0.61.0")


def test_other_installations_have_their_own_upgrade_command() -> None:
    brewed = plan_upgrade(upgrade.PACKAGE, "/opt/homebrew/Cellar/gemini-cli/0.61.0/bin/gemini", None)
    assert brewed
    assert brewed.argv == ("brew", "upgrade", "gemini-cli")
    assert plan_upgrade(upgrade.PACKAGE, "/opt/own/gemini", None) is None
    assert plan_upgrade(upgrade.PACKAGE, None, None) is None


@pytest.mark.parametrize("target", ["1; rm -rf /", "--force", "0.61", "@evil/pkg"])
def test_an_invalid_version_is_refused(target: str) -> None:
    with pytest.raises(InvalidRequest):
        plan_upgrade(upgrade.PACKAGE, "/usr/lib/node_modules/@google/gemini-cli/x", target)


def test_antigravity_can_only_be_upgraded_to_its_newest_version() -> None:
    plan = upgrade.plan_agy("/home/me/.local/bin/agy", None)
    assert plan
    assert plan.argv == ("/home/me/.local/bin/agy", "update")
    with pytest.raises(InvalidRequest):
        upgrade.plan_agy("/home/me/.local/bin/agy", "1.2.3")
