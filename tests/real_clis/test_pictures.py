"""The README's picture can be drawn again: the scene that it shows, played with the real programs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.pictures.__main__ import LARGEST, made
from tests.real_clis.programs import installed


def test_the_readmes_review_ends_as_its_picture_shows(tmp_path: Path) -> None:
    for name in ("codex", "gemini", "grok", "claude"):
        installed(name)
    picture, last = made(tmp_path)
    assert "Approved. 3 of 3 approve, 3 needed. Round 2 of 3." in last
    assert "exit code 0" in last
    assert "A lost answer charges the card twice (codex, grok)" in last or "(grok, codex)" in last
    assert "idempotency_key" in (tmp_path / "shop" / "pay.py").read_text()
    assert len(picture.encode()) < LARGEST
    ElementTree.fromstring(picture)
