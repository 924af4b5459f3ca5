"""A policy that is installed and does not load denies every request, and is named wherever a person looks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_broken_plugins import install
from tests.integration.cli.test_serve import HELLO, talk

pytestmark = pytest.mark.slow

GOOD = "@hookimpl\ndef gateway_approve(proposal): ...\n"
OBJECT = """
class House:
    GATEWAY_API = 99
    @hookimpl
    def gateway_approve(self, proposal): ...
house = House()
"""
#: what is wrong -> (kind, code, what the denial says)
FAULTS: dict[str, tuple[str, str, str]] = {
    "import": ("policy", "import no_such_module", "ModuleNotFoundError"),
    "syntax": ("policy", "def gateway_approve(:", "SyntaxError"),
    "exit": ("policy", "raise SystemExit(0)", "SystemExit"),
    "misspelt": ("policy", "@hookimpl\ndef gateway_aprove(proposal): ...", "did you mean gateway_approve"),
    "unmarked": ("policy", "def gateway_approve(proposal): ...", "not marked with @hookimpl"),
    "empty": ("policy", "", "implements no hook"),
    "signature": ("policy", "@hookimpl\ndef gateway_approve(request, user): ...", "gateway_approve"),
    "api_of_module": ("policy", "GATEWAY_API = 99\n" + GOOD, "plugin API 99"),
    "api_of_object": ("policy", OBJECT, "plugin API 99"),
    "settings": ("policy", GOOD + "@hookimpl\ndef gateway_settings(): raise RuntimeError('no rules')", "no rules"),
    "section": ("policy", GOOD + "@hookimpl\ndef gateway_settings(): return {'limits': BaseModel}", "limits"),
    "an_extension_that_judges": ("extension", "GATEWAY_API = 99\n" + GOOD, "plugin API 99"),
}


@pytest.fixture
def site(command: Any, tmp_path: Path) -> Path:
    """Where further distributions are installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    command.environ["PYTHONPATH"] = str(folder)
    command.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    del command.environ["LLM_GATEWAY_PLUGINS"]
    return folder


def requested(command: Any, folder: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What a client over MCP is answered to a request of the imitation and to a look at the health; and the log."""
    log, pipe = folder / "log", subprocess.PIPE
    with log.open("wb") as errors, command.start("serve", stdin=pipe, stdout=pipe, stderr=errors) as process:
        talk(process, 1, "initialize", HELLO)
        call = {"name": "echo_request", "arguments": {"prompt": "hello", "workingDir": str(folder)}}
        answer = talk(process, 2, "tools/call", call)
        health = talk(process, 3, "tools/call", {"name": "llm_process_health", "arguments": {}})
        process.communicate(timeout=30)
    return answer["structuredContent"], health["structuredContent"], log.read_text()


@pytest.mark.parametrize("fault", FAULTS)
def test_lesson_104_an_installed_policy_that_does_not_load_denies_everything(
    command: Any, site: Path, tmp_path: Path, fault: str
) -> None:
    kind, code, said = FAULTS[fault]
    install(site, "house", kind, code)
    if fault == "api_of_object":
        (site / "house_dist-1.2.dist-info/entry_points.txt").write_text("[llm_gateway.policy]\nhouse = house:house\n")
    answer, health, log = requested(command, tmp_path)
    error = answer["error"]
    assert error["code"] == "approval_denied"
    assert "house" in error["message"]
    assert said in error["message"]
    assert "doctor" in error["message"]
    assert not list((command.home / "jobs").glob("*")), "nothing was accepted"
    assert any("house" in problem and said in problem for problem in health["pluginProblems"])
    assert "house-dist 1.2" in log
    shown = command.json("plugins")
    assert any(said in problem for problem in shown["problems"])
    report = command.json("doctor", code=1)
    assert any("house-dist 1.2" in problem and said in problem for problem in report["problems"])


def test_lesson_104_two_policies_of_one_name_deny_everything(command: Any, site: Path, tmp_path: Path) -> None:
    for module in ("house_one", "house_two"):
        install(site, module, "policy", GOOD, name="house")
    answer, _, log = requested(command, tmp_path)
    assert answer["error"]["code"] == "approval_denied"
    for word in ("house", "house_one-dist", "house_two-dist"):
        assert word in answer["error"]["message"]
        assert word in log


def test_lesson_104_a_package_says_for_which_api_its_modules_were_written(
    command: Any, site: Path, tmp_path: Path
) -> None:
    install(site, "house", "policy", "")
    (site / "house.py").unlink()
    (site / "house").mkdir()
    (site / "house/__init__.py").write_text("GATEWAY_API = 99\n")
    (site / "house/plugin.py").write_text("from llm_gateway import hookimpl\n" + GOOD)
    (site / "house_dist-1.2.dist-info/entry_points.txt").write_text("[llm_gateway.policy]\nhouse = house.plugin\n")
    answer, _, _ = requested(command, tmp_path)
    assert "plugin API 99" in answer["error"]["message"]


def test_a_policy_that_the_operator_leaves_out_denies_nothing(command: Any, site: Path, tmp_path: Path) -> None:
    for module in ("house", "twin_one", "twin_two"):
        install(site, module, "policy", "import no_such_module", name="twin" if "twin" in module else None)
    command.environ["LLM_GATEWAY_PLUGINS"] = "echo,operations,git"
    answer, _, _ = requested(command, tmp_path)
    assert answer["text"] == "echo: hello"


def test_a_broken_plugin_that_is_no_policy_denies_nothing(command: Any, site: Path, tmp_path: Path) -> None:
    install(site, "house", "extension", "import no_such_module")
    answer, _, _ = requested(command, tmp_path)
    assert answer["text"] == "echo: hello"


REQUIRED = '[approval]\nrequired_policies = ["house"]\n'


@pytest.mark.parametrize(
    ("plugins", "installed", "said"),
    [
        (None, False, "no policy of this name is installed"),
        ("echo,operations,git", True, "LLM_GATEWAY_PLUGINS leaves it out"),
        ("echo,operations,git,house", True, ""),
        (None, True, ""),
    ],
)
def test_lesson_104_a_required_policy_must_be_there(
    command: Any, site: Path, tmp_path: Path, plugins: str | None, installed: bool, said: str
) -> None:
    if installed:
        install(site, "house", "policy", GOOD)
    if plugins is not None:
        command.environ["LLM_GATEWAY_PLUGINS"] = plugins
    command.home.mkdir(mode=0o700)
    (command.home / "config.toml").write_text(REQUIRED)
    answer, health, log = requested(command, tmp_path)
    seen = command.run("doctor", "--json")
    assert seen.returncode in ((1,) if said else (0, 4)), "4: no agent is ready on this machine"
    report = json.loads(seen.stdout)
    if not said:
        assert answer["text"] == "echo: hello"
        return
    assert answer["error"]["code"] == "approval_denied"
    for text in (answer["error"]["message"], *health["pluginProblems"], log, *report["problems"]):
        assert "house" in text
        assert said in text
    assert said in json.dumps(command.json("plugins")["problems"])


def test_a_required_policy_that_is_an_extension_is_not_there(command: Any, site: Path, tmp_path: Path) -> None:
    install(site, "house", "extension", GOOD)
    command.home.mkdir(mode=0o700)
    (command.home / "config.toml").write_text(REQUIRED)
    answer, _, _ = requested(command, tmp_path)
    assert answer["error"]["code"] == "approval_denied"
