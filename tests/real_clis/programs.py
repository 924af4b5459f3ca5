"""The real programs, brought once for a whole run of the tests."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from tests.real_clis.installing import FOLDER, install


@cache
def installed(name: str) -> Path:
    """A real program at its pinned version. Skips the test only where there is no npm, and never in CI."""
    if shutil.which("npm") is None and not (FOLDER / name).exists() and not os.environ.get("CI"):
        pytest.skip("npm is not installed")
    return install(name)
