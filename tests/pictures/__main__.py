"""Draw the README's picture again: `make picture`. Needs npm, which brings the real agents the first time."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.pictures.scene import COMMANDS, played, prepare, served
from tests.pictures.svg import drawn, words

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "review.svg"

LARGEST = 150_000  #: bytes, for a page that loads quickly


def made(folder: Path) -> tuple[str, str]:
    """Play the scene in this folder: the picture, and what its last frame says. Raises AssertionError."""
    with served() as url:
        frames = played(folder, prepare(folder, url))
    picture = drawn(frames, f"A terminal: {COMMANDS[1]}")
    assert str(folder) not in picture, "a path of this machine in the picture"
    assert url.partition("//")[2] not in picture
    return picture, words(frames[-1])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gw.") as folder:
        picture, last = made(Path(folder))
    PICTURE.write_text(picture, "utf-8")
    print(f"{last}\n\n{PICTURE.relative_to(Path.cwd())}: {len(picture.encode()):,} bytes")
