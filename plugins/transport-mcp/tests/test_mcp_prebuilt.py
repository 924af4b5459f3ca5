"""The prebuilt listing: it is up to date, and says what a gateway with the same plugins and programs says."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import find_plugins
from llm_gateway.before_opening import EntryPoint, installed_plugins
from llm_gateway.gateway import Gateway
from llm_gateway_transport_mcp import prebuilt
from llm_gateway_transport_mcp.manifest import program_states, results_of
from llm_gateway_transport_mcp.prebuilt import LISTS, find_prebuilt
from llm_gateway_transport_mcp.server import build_server

MAKER = Path(__file__).parents[1] / "make_listings.py"
OWN = [plugin.key for plugin in installed_plugins({}) if plugin.value.startswith("llm_gateway_")]
NEWEST = "2025-11-25"


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine without any program, with the plugins of the product."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/python"))
    monkeypatch.setattr("llm_gateway.installations._SYSTEM_FOLDERS", ())
    (tmp_path / "bin").mkdir()
    return {
        "HOME": str(tmp_path),
        "PATH": str(tmp_path / "bin"),
        "LLM_GATEWAY_HOME": str(tmp_path / "home"),
        "LLM_GATEWAY_PLUGINS": ",".join(OWN),
    }


def install(environ: Mapping[str, str], program: str) -> None:
    path = Path(environ["PATH"]) / program
    path.touch()
    path.chmod(0o755)


def of_a_gateway(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What the SDK's server answers, and the states of programs."""
    host, settings = find_plugins(environ)
    gateway = Gateway(settings, host, environ)
    return anyio.run(results_of, build_server(gateway), NEWEST), program_states(gateway)


def prebuilt_results(environ: Mapping[str, str]) -> tuple[dict[str, str | None], list[str]]:
    found = find_prebuilt(environ)
    assert found
    return {method: found.result(method, NEWEST) for method in ("initialize", *LISTS)}, found.programs


def test_the_listing_is_up_to_date() -> None:
    maker = runpy.run_path(str(MAKER))
    made: Callable[[], str] = maker["listings"]
    assert maker["FILE"].read_text(encoding="utf-8") == made(), f"run `python {MAKER.parent.name}/{MAKER.name}`"


@pytest.mark.parametrize("left_out", ["nothing", *(key for key in OWN if key != "extension:operations")])
def test_it_says_what_a_gateway_with_these_plugins_says(left_out: str, environ: dict[str, str]) -> None:
    install(environ, "claude")
    install(environ, "agy")
    environ["LLM_GATEWAY_PLUGINS"] = ",".join(key for key in OWN if key != left_out)
    assert prebuilt_results(environ) == of_a_gateway(environ)


@pytest.mark.parametrize(
    "programs", [(), ("codex",), ("claude", "codex", "gemini", "grok", "vibe", "llm-gateway-echo")]
)
def test_it_lists_the_tools_of_programs_that_are_found(programs: tuple[str, ...], environ: dict[str, str]) -> None:
    for program in programs:
        install(environ, program)
    assert prebuilt_results(environ) == of_a_gateway(environ)


def test_a_program_that_appears_is_listed_after_the_next_search(environ: dict[str, str]) -> None:
    found = find_prebuilt(environ)
    assert found
    assert not found.look()
    install(environ, "codex")
    os.utime(environ["PATH"], ns=(1, 1))
    assert found.look()
    assert '"codex_request"' in str(found.result("tools/list", NEWEST))
    assert not found.look()


@pytest.mark.parametrize(
    "change",
    [
        {"LLM_GATEWAY_SURFACE_SHOW_ABSENT": "true"},
        {"LLM_GATEWAY_QUUED": "1"},
        {"LLM_GATEWAY_LOG": "LOUD"},
        {"LLM_GATEWAY_CONFIG": "/none"},
        {"LLM_GATEWAY_HOME": "relative"},
        {"LLM_GATEWAY_HOME": "/dev/null/none"},
        {"LLM_GATEWAY_PLUGINS": "echo"},
    ],
    ids=str,
)
def test_with_other_settings_it_says_nothing(change: dict[str, str], environ: dict[str, str]) -> None:
    assert find_prebuilt(environ)
    assert find_prebuilt({**environ, **change}) is None


@pytest.mark.parametrize(
    "change", [{"LLM_GATEWAY_LOG": "DEBUG"}, {"LLM_GATEWAY_DEPTH": "1"}, {"LLM_GATEWAY_QUUED": ""}]
)
def test_variables_that_change_no_list_do_not_matter(change: dict[str, str], environ: dict[str, str]) -> None:
    assert find_prebuilt({**environ, **change})


def test_with_a_settings_file_it_says_nothing(environ: dict[str, str]) -> None:
    home = Path(environ["LLM_GATEWAY_HOME"])
    home.mkdir(mode=0o700)
    assert find_prebuilt(environ)
    (home / "config.toml").touch()
    assert find_prebuilt(environ) is None


def test_in_a_home_that_others_can_read_it_says_nothing(environ: dict[str, str]) -> None:
    Path(environ["LLM_GATEWAY_HOME"]).mkdir(mode=0o755)
    assert find_prebuilt(environ) is None


class _Other(EntryPoint):
    """A plugin of another version, or of somebody else."""

    def __init__(self, like: EntryPoint, **changed: Any) -> None:
        given = {"name": like.name, "value": like.value, "group": like.group, "distributions": like.distributions}
        super().__init__(**(given | changed))


@pytest.mark.parametrize("changed", [{"name": "mine"}, {"value": "mine.plugin"}, {"distributions": ()}], ids=str)
def test_with_another_plugin_or_version_it_says_nothing(
    changed: dict[str, Any], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = installed_plugins(environ)
    monkeypatch.setattr(prebuilt, "installed_plugins", lambda _: [_Other(first), *others])
    assert find_prebuilt(environ)
    monkeypatch.setattr(prebuilt, "installed_plugins", lambda _: [_Other(first, **changed), *others])
    assert find_prebuilt(environ) is None
