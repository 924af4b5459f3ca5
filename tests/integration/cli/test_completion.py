"""The script that completes commands in a shell."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

ASK = """
COMP_WORDS=({words} "")
COMP_WORDS[-1]={last!r}
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_llm_gateway
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash() -> str:
    found = shutil.which("bash")
    if found is None:
        pytest.skip("bash is not installed")
    return found


@pytest.mark.parametrize(
    ("words", "last", "wanted", "unwanted"),
    [
        ("", "", {"ask", "jobs", "serve", "sessions", "review", "--version"}, {"list"}),
        ("", "se", {"serve", "sessions"}, {"ask"}),
        ("jobs", "", {"list", "wait", "cancel"}, {"ask", "--raw"}),
        ("jobs list", "--", {"--status", "--json"}, {"--raw"}),
        ("jobs list --limit 5", "--pro", {"--provider"}, {"--json"}),
        ("completion", "", {"bash", "zsh", "fish"}, {"ask"}),
    ],
)
def test_bash_completes_words(
    command: Any, bash: str, words: str, last: str, wanted: set[str], unwanted: set[str]
) -> None:
    del command.environ["LLM_GATEWAY_PLUGINS"]
    script = command.run("completion", "bash").stdout
    given = f"llm-gateway {words}"
    asked = script + ASK.format(words=given, last=last)
    done = subprocess.run([bash, "-c", asked], capture_output=True, text=True, timeout=30, check=True)
    offered = set(done.stdout.split())
    assert done.stderr == ""
    assert wanted <= offered
    assert offered.isdisjoint(unwanted)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_that_they_can_read(command: Any, shell: str) -> None:
    script = command.run("completion", shell).stdout
    assert "jobs" in script
    program = shutil.which(shell)
    if program is not None:  # Debian does not install them by default
        done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
