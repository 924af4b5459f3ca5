"""The API page for plugin authors: it names everything public, and its examples run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import llm_gateway

REFERENCE = Path(__file__).parents[2] / "docs/reference"
EXAMPLES: dict[str, str] = runpy.run_path(str(REFERENCE / "api_examples.py"))["EXAMPLES"]
PAGE = (REFERENCE / "api.md").read_text("utf-8")


def test_every_public_name_has_an_entry() -> None:
    described = re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)
    assert sorted(described) == sorted(llm_gateway.__all__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs_with_the_public_names(name: str) -> None:
    code = EXAMPLES[name]
    assert name in code or name.lower() in code, "an example shows its subject"
    lines = code.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    scope: dict[str, Any] = {public: getattr(llm_gateway, public) for public in llm_gateway.__all__}
    exec(compile("\n".join(line[indent:] for line in lines), name, "exec"), scope)
