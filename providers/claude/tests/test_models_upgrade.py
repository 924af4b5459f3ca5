from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_claude.models import list_models
from llm_gateway_provider_claude.upgrade import plan

HELP = """
  --mcp-config <configs...>  Load MCP servers from 'files'
  --model <model>            Model for the current session. Use an alias (e.g.
                             'opus' or 'sonnet') or a model's full name.
  -n, --name <name>          'not-a-model'
"""


def test_models_are_listed_with_their_sources(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"model": "opus[1m]"}))
    (tmp_path / ".claude.json").write_text(json.dumps({"projects": {"/p": {"lastModelUsage": {"claude-used": {}}}}}))
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path), "ANTHROPIC_MODEL": "m-1", "ANTHROPIC_DEFAULT_OPUS_MODEL": "m-2"}
    found = {model.id: (Path(model.source).name, model.default) for model in list_models(environ, HELP)}
    assert found == {
        "m-1": ("ANTHROPIC_MODEL", True),
        "m-2": ("ANTHROPIC_DEFAULT_OPUS_MODEL", False),
        "opus[1m]": ("settings.json", False),
        "claude-used": (".claude.json", False),
        "opus": ("claude --help", False),
        "sonnet": ("claude --help", False),
    }


def test_no_model_is_built_in(tmp_path: Path) -> None:
    assert list_models({"HOME": str(tmp_path)}, "") == []


@pytest.mark.parametrize("content", ["", "[]", '{"projects": 3, "model": {}}'])
def test_broken_files_give_no_models(tmp_path: Path, content: str) -> None:
    for name in ("settings.json", ".claude.json"):
        (tmp_path / name).write_text(content)
    assert list_models({"CLAUDE_CONFIG_DIR": str(tmp_path)}, "") == []


@pytest.mark.parametrize(("target", "version"), [("2.1.330", "2.1.330"), (None, "latest"), ("stable", "stable")])
def test_the_vendors_own_installation_upgrades_itself(tmp_path: Path, target: str | None, version: str) -> None:
    program = tmp_path / "home/.local/share/claude/versions/2.1.300"
    program.parent.mkdir(parents=True)
    program.touch()
    link = tmp_path / "bin" / "claude"
    link.parent.mkdir()
    link.symlink_to(program)
    made = plan(str(link), target)
    assert made is not None
    assert (made.argv, made.method) == ((str(link), "install", version), "native")


def test_an_unknown_kind_of_installation_has_no_plan(tmp_path: Path) -> None:
    assert plan(str(tmp_path / "claude"), None) is None
    assert plan(None, None) is None


@pytest.mark.parametrize("target", ["; rm -rf /", "2.1", "../x", "other-package@1.0.0", ""])
def test_lesson_53_only_a_version_is_accepted_as_target(target: str) -> None:
    with pytest.raises(InvalidRequest):
        plan("/usr/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe", target)
