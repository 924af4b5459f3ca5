"""docs/lessons.md explains every number that the name of a test refers to."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "core", "providers", "stores", "plugins")


def test_every_lesson_that_a_test_refers_to_is_on_the_page() -> None:
    page = (ROOT / "docs/lessons.md").read_text("utf-8")
    explained = {int(number) for number in re.findall(r"^- \*\*(\d+)\*\* ", page, re.MULTILINE)}
    used: set[int] = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("test_*.py"):
            for numbers in re.findall(r"def test_lesson_(\d+(?:b?_\d\d)?)_", path.read_text("utf-8")):
                used |= {int(number) for number in re.split(r"b?_", numbers)}
    assert used
    assert used - explained == set()
