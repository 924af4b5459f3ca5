"""Distributions as a user gets them: built, and installed into environments that know nothing of the source tree."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = Path(sys.prefix) / "uv/bin/uv"
PINS = ROOT / ".ci/constraints.txt"
MEMBERS = [
    ROOT,
    *(path.parent for path in ROOT.glob("*/pyproject.toml")),
    *(path.parent for path in ROOT.glob("*/*/pyproject.toml")),
]


def run(*argv: str | Path, cwd: Path = ROOT, status: int = 0, also: int = 0, **environ: str) -> str:
    """What a command prints, on stderr when it is to end with another status than 0.

    :param also: another status with which it may end.
    """
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
    assert done.returncode in {status, also or status}, f"{' '.join(map(str, argv))}\n{done.stdout}\n{done.stderr}"
    return done.stderr if status else done.stdout


class Environment:
    """A virtual environment that knows nothing of the source tree."""

    def __init__(self, folder: Path, wheels: Path, *options: str) -> None:
        self.folder, self.wheels = folder, wheels
        run(UV, "venv", "--quiet", "--python", sys.executable, *options, folder)

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
