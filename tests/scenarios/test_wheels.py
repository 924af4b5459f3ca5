"""The distributions as a user gets them: built, installed into a fresh environment, one at a time, and removed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.prefix) / "uv/bin/uv"
PINS = ROOT / ".ci/constraints.txt"
MEMBERS = [
    ROOT,
    *(path.parent for path in ROOT.glob("*/pyproject.toml")),
    *(path.parent for path in ROOT.glob("*/*/pyproject.toml")),
]


def run(*argv: str | Path, cwd: Path = ROOT, status: int = 0, **environ: str) -> str:
    """What a command prints, on stderr when it is to end with another status than 0."""
    cache = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(ROOT / ".cache/uv"))}
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **cache, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, f"{' '.join(map(str, argv))}\n{done.stdout}\n{done.stderr}"
    return done.stderr if status else done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every distribution of the workspace, built in isolation with the pinned backend."""
    folder = tmp_path_factory.mktemp("wheels")
    for member in MEMBERS:
        run(UV, "build", "--quiet", "--wheel", "--build-constraints", PINS, "--out-dir", folder, member)
    return folder


class Environment:
    """A virtual environment that knows nothing of the source tree."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder, self.wheels = folder, wheels
        run(UV, "venv", "--quiet", "--python", sys.executable, folder)

    def install(self, *names: str) -> None:
        run(
            UV,
            "pip",
            "install",
            "--quiet",
            "--python",
            self.folder,
            "--find-links",
            self.wheels,
            "-c",
            PINS,
            *names,
            cwd=self.wheels,
        )

    def uninstall(self, name: str) -> None:
        run(UV, "pip", "uninstall", "--quiet", "--python", self.folder, name, cwd=self.wheels)

    def plugins(self) -> str:
        shown = run(self.folder / "bin/llm-gateway", "plugins", "--json", cwd=self.folder)
        json.loads(shown)
        return shown

    def ask(self, prompt: str, status: int = 0) -> str:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        command = self.folder / "bin/llm-gateway"
        return run(
            command, "ask", "echo", prompt, cwd=home, status=status, HOME=str(home), LLM_GATEWAY_HOME=str(home / "gw")
        )

    def kernel(self) -> dict[str, str]:
        (package,) = self.folder.glob("lib/python*/site-packages/llm_gateway")
        return {
            path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(package.rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        }


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> Environment:
    return Environment(tmp_path / "env", wheels)


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
    environment.install("llm-gateway")
    shown = environment.plugins()
    assert "llm-gateway-store-sqlite" in shown
    assert "llm-gateway-engine-local" in shown
    assert "llm-gateway-transport-mcp" in shown
    assert "llm-gateway-provider-echo" not in shown


def test_the_meta_wheel_holds_no_code_and_names_its_extras(wheels: Path) -> None:
    (wheel,) = wheels.glob("llm_gateway-*.whl")
    metadata = metadata_of(wheel)
    assert {"grok", "demo", "all"} <= set(metadata.get_all("Provides-Extra") or [])
    assert "llm-gateway-core==0.1.0" in (metadata.get_all("Requires-Dist") or [])
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
        if metadata["Name"] != "llm-gateway":
            assert [name for name in names if name.endswith("/py.typed")], wheel.name
