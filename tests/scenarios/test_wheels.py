"""The distributions as a user gets them: built, installed into a fresh environment, one at a time, and removed."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from llm_gateway import __version__
from tests.scenarios.environments import MEMBERS, Environment


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_a_provider_comes_and_goes_with_its_wheel_and_the_kernel_stays_as_it_is(environment: Environment) -> None:
    environment.install("llm-gateway-core")
    assert "echo" not in environment.plugins()
    before = environment.kernel()

    environment.install("llm-gateway-provider-echo")
    assert "llm-gateway-provider-echo" in environment.plugins()
    assert environment.kernel() == before

    environment.uninstall("llm-gateway-provider-echo")
    assert "echo" not in environment.plugins()
    assert environment.kernel() == before


def test_a_store_a_transport_and_a_provider_make_a_working_gateway_of_the_kernel(environment: Environment) -> None:
    environment.install("llm-gateway-provider-echo", "llm-gateway-store-sqlite", "llm-gateway-transport-mcp")
    shown = environment.plugins()
    assert "llm-gateway-engine-local" in shown
    assert "llm-gateway-extension-operations" in shown
    assert "hello" in environment.ask("hello")


def test_without_an_engine_the_gateway_says_what_is_missing(environment: Environment) -> None:
    environment.install("llm-gateway-provider-echo", "llm-gateway-store-sqlite")
    environment.uninstall("llm-gateway-engine-local")
    assert "pip install llm-gateway-engine-local" in environment.ask("hello", status=2)


def test_the_meta_distribution_brings_everything_but_the_demo(environment: Environment) -> None:
    environment.install("llm-gateway-mcp")
    shown = environment.plugins()
    assert "llm-gateway-store-sqlite" in shown
    assert "llm-gateway-engine-local" in shown
    assert "llm-gateway-transport-mcp" in shown
    assert "llm-gateway-provider-echo" not in shown


def test_the_commands_name_starts_the_server(environment: Environment) -> None:
    """A client entry can be `uvx llm-gateway-mcp` alone: the command has the distribution's name and needs no argument."""
    environment.install("llm-gateway-mcp")
    first = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
    first["params"] = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    home = environment.folder / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [environment.folder / "bin/llm-gateway-mcp"],
        input=json.dumps(first) + "\n",
        cwd=home,
        env={"HOME": str(home), "PATH": os.defpath, "LLM_GATEWAY_HOME": str(home / "gw")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert json.loads(done.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "llm-gateway", done.stderr


def test_the_meta_wheel_holds_no_code_and_names_its_extras(wheels: Path) -> None:
    (wheel,) = wheels.glob("llm_gateway_mcp-*.whl")
    metadata = metadata_of(wheel)
    assert {"grok", "demo", "all"} <= set(metadata.get_all("Provides-Extra") or [])
    assert f"llm-gateway-core=={__version__}" in (metadata.get_all("Requires-Dist") or [])
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".py")]


def test_every_wheel_carries_its_package_its_types_and_its_words(wheels: Path) -> None:
    built = sorted(wheels.glob("*.whl"))
    assert len(built) == len(MEMBERS)
    for wheel in built:
        metadata = metadata_of(wheel)
        assert metadata["License-Expression"] == "MIT"
        assert len(str(metadata.get_payload()).strip()) > 10, f"{wheel.name} has no README"
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert not [name for name in names if name.startswith(("tests/", "src/"))]
        if metadata["Name"] != "llm-gateway-mcp":
            assert [name for name in names if name.endswith("/py.typed")], wheel.name
