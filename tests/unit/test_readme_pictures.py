"""The README's pictures are there, small, and tell nothing of the machine that made them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.pictures.__main__ import LARGEST
from tests.pictures.scene import COMMANDS
from tests.pictures.svg import Cell, drawn, thinned

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]


def row(letters: str) -> list[Cell]:
    return [Cell(letter) for letter in letters]


def test_every_picture_of_the_readme_is_there_and_shows_a_command_that_its_text_names() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", readme)
    assert pictures
    for words, path in pictures:
        text = (ROOT / path).read_text("utf-8")
        assert len(text.encode()) < LARGEST
        shown = " ".join("".join(ElementTree.fromstring(text).itertext()).split())
        assert COMMANDS[1] in words
        assert COMMANDS[1] in shown
        assert not re.search(r"/(root|home|tmp|work|Users)/|127\.0\.0\.1|https?://(?!www\.w3\.org/)", text)


def test_what_changes_too_quickly_is_seen_once_and_nobody_waits_long() -> None:
    frames = [(0.0, [row("a")]), (0.1, [row("b")]), (60.0, [row("b")]), (90.0, [row("c")])]
    assert [(at, rows[0][0].letter) for at, rows in thinned(frames)] == [(0.0, "b"), (1.2, "c")]


def test_a_drawn_line_is_seen_from_when_it_came_until_it_went() -> None:
    picture = drawn([(0.0, [row("first"), row("<&>  ")]), (1.0, [row("later"), row("<&>  ")])], "a & b")
    assert ElementTree.fromstring(picture).findtext("{*}title") == "a & b"
    assert "&lt;&amp;&gt;" in picture
    assert picture.count('class="m') == 2
    assert 'class="m h"' in picture.partition(">first<")[0], "where nothing moves, the last picture is seen"
