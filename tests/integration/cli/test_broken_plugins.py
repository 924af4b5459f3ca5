"""A gateway among broken plugins: each is named with its distribution, and neither the tools nor the protocol suffer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_serve import HELLO, talk

HEAD = "from llm_gateway import Operation, ProviderInfo, Posture, hookimpl\nfrom pydantic import BaseModel, RootModel\n"
PROVIDER = """
@hookimpl
def gateway_describe_provider():
    return ProviderInfo(name=%r, title="T", executable="t", postures=tuple(Posture))
@hookimpl
def gateway_build_argv(): ...
@hookimpl
def gateway_resume_session(): ...
@hookimpl
def gateway_open_reader(): ...
"""
OPERATION = """
class P(%s): ...
class R(BaseModel): ...
@hookimpl
def gateway_operations():
    return [Operation(name=%r, title="T", description="D", params=P, result=R, handler=None)]
"""
#: module -> kind, code, and what is said of it
BROKEN: dict[str, tuple[str, str, str]] = {
    "no_import": ("provider", "import no_such_module", "ModuleNotFoundError"),
    "exits": ("provider", "import sys; sys.exit(3)", "SystemExit"),
    "other_api": (
        "extension",
        "GATEWAY_API = 99\n@hookimpl\ndef gateway_job_changed(job): ...",
        "written for plugin API 99",
    ),
    "misspelt": ("policy", "@hookimpl\ndef gateway_aprove(proposal): ...", "did you mean gateway_approve"),
    "unmarked": ("policy", "def gateway_approve(proposal): ...", "not marked with @hookimpl"),
    "liar": ("provider", PROVIDER % "other_name", "'other_name'"),
    "raiser": ("extension", "@hookimpl\ndef gateway_operations():\n    raise RuntimeError('oh')", "RuntimeError: oh"),
    "bad_schema": ("extension", OPERATION % ("RootModel[list[int]]", "bad_schema_tool"), ""),
    "taken": ("extension", OPERATION % ("BaseModel", "echo_request"), "operation echo_request exists already"),
    "nameless": ("extension", OPERATION % ("BaseModel", ["no", "text"]), "its name is no text"),
    "loud": ("extension", "print('a stray print')\n@hookimpl\ndef gateway_job_changed(job): print('another')", ""),
}


def install(folder: Path, module: str, kind: str, code: str, name: str | None = None) -> None:
    """What pip leaves of a distribution."""
    (folder / f"{module}.py").write_text(HEAD + code)
    info = folder / f"{module}_dist-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-dist\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[llm_gateway.{kind}]\n{name or module} = {module}\n")


@pytest.fixture
def crowd(command: Any, tmp_path: Path) -> Any:
    """The command, among them all."""
    folder = tmp_path / "site"
    folder.mkdir()
    for module, (kind, code, _) in BROKEN.items():
        install(folder, module, kind, code)
    for module in ("twin_one", "twin_two"):
        install(folder, module, "provider", PROVIDER % "twin", name="twin")
    command.environ["PYTHONPATH"] = str(folder)
    del command.environ["LLM_GATEWAY_PLUGINS"]
    return command


def test_each_broken_plugin_is_named_with_its_distribution(crowd: Any) -> None:
    shown = crowd.json("plugins")
    told = {record["name"]: record for record in shown["plugins"]}
    for module, (kind, _, said) in BROKEN.items():
        record = told[module]
        assert (record["kind"], record["distribution"], record["version"]) == (kind, f"{module}-dist", "1.2")
        if said and module not in ("raiser", "taken", "nameless"):  # what they answer is seen when a gateway opens
            assert record["state"] == "failed", module
            assert said in record["problem"], module
            assert any(f"{module}-dist 1.2" in problem and said in problem for problem in shown["problems"])
    twins = [problem for problem in shown["problems"] if "twin" in problem]
    assert any("twin_one-dist 1.2" in problem and "twin_two-dist 1.2" in problem for problem in twins)
    assert told["echo"]["state"] == "loaded"


def test_the_protocol_and_the_good_tools_do_not_suffer_and_a_broken_policy_denies(crowd: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    pipe = subprocess.PIPE
    with log.open("wb") as errors, crowd.start("serve", stdin=pipe, stdout=pipe, stderr=errors) as process:
        talk(process, 1, "initialize", HELLO)
        tools = {tool["name"] for tool in talk(process, 2, "tools/list", {})["tools"]}
        call = {"name": "echo_request", "arguments": {"prompt": "hello", "workingDir": str(tmp_path)}}
        answer = talk(process, 3, "tools/call", call)
        health = talk(process, 4, "tools/call", {"name": "llm_process_health", "arguments": {}})
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert {"echo_request", "echo_request_async", "llm_job_result"} <= tools
    assert not tools & {"bad_schema_tool", "twin_request", "liar_request"}
    denied = answer["structuredContent"]["error"]
    assert denied["code"] == "approval_denied"
    assert "misspelt" in denied["message"]
    assert out == b""
    problems = json.dumps(health["structuredContent"])
    for module in ("raiser", "taken", "nameless", "misspelt", "bad_schema"):
        assert f"({module}-dist)" in problems
    said = log.read_text()
    for module in ("no_import", "exits", "raiser", "taken", "nameless", "misspelt"):
        assert f"{module}-dist 1.2" in said
    assert "bad_schema_tool is not listed" in said
    assert "a stray print" in said


def test_a_plugin_can_be_kept_out_by_naming_the_others(crowd: Any) -> None:
    shown = crowd.json("plugins", LLM_GATEWAY_PLUGINS="echo,operations,git")
    states = {record["name"]: record["state"] for record in shown["plugins"]}
    assert states["echo"] == "loaded"
    assert states["exits"] == "blocked"


def test_trace_tells_who_was_asked_and_how_long_it_took(command: Any) -> None:
    done = command.run("ask", "echo", "hello", "--trace")
    assert done.stdout == "echo: hello\n"
    asked = [line.split() for line in done.stderr.splitlines() if line.startswith("gateway_")]
    assert ["gateway_build_argv", "provider:echo"] in [words[:2] for words in asked]
    assert all(words[-1] == "ms" and float(words[-2]) >= 0 for words in asked)
