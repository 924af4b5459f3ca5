from __future__ import annotations

from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_grok.models import list_models, read_catalogue
from llm_gateway_provider_grok.upgrade import plan

CATALOGUE = """You are not authenticated.

Default model: grok-4.6

Available models:
  * grok-4.6 (default)
  - grok-4.5
"""


def test_models_of_grok_are_listed_with_their_sources() -> None:
    found = {m.id: (m.source, m.default) for m in list_models({"GROK_DEFAULT_MODEL": "mine"}, CATALOGUE)}
    assert found == {
        "mine": ("GROK_DEFAULT_MODEL", True),
        "grok-4.6": ("grok models", True),
        "grok-4.5": ("grok models", False),
    }


def test_no_model_of_grok_is_built_in(tmp_path: Path) -> None:
    assert list_models({}, "") == []
    assert list_models({}, "some * other\n words") == []
    assert read_catalogue(None, {}) == read_catalogue(str(tmp_path / "gone"), {}) == ""


def test_the_vendors_own_installation_upgrades_itself(tmp_path: Path) -> None:
    program = tmp_path / "home/.grok/bin/grok-1.0.40"
    program.parent.mkdir(parents=True)
    program.touch()
    link = tmp_path / "bin" / "grok"
    link.parent.mkdir()
    link.symlink_to(program)
    made = plan(str(link), "1.0.41")
    assert made is not None
    assert (made.argv, made.method) == ((str(link), "update", "--version", "1.0.41"), "native")


def test_a_channel_is_a_flag_of_grok(tmp_path: Path) -> None:
    program = str(tmp_path / ".grok" / "bin" / "grok")
    for target, rest in ((None, ()), ("latest", ()), ("alpha", ("--alpha",))):
        made = plan(program, target)
        assert made is not None
        assert made.argv == (program, "update", *rest)


def test_another_program_of_this_name_has_no_plan(tmp_path: Path) -> None:
    assert plan(str(tmp_path / "node_modules/@vibe-kit/grok-cli/bin/grok"), None) is None
    assert plan(str(tmp_path / "grok"), None) is None
    assert plan(None, None) is None


@pytest.mark.parametrize("target", ["; rm -rf /", "1.0", "../x", "other-package@1.0.0", ""])
def test_lesson_53_only_a_version_of_grok_is_accepted_as_target(target: str) -> None:
    with pytest.raises(InvalidRequest):
        plan("/usr/lib/node_modules/@xai-official/grok/bin/grok", target)
