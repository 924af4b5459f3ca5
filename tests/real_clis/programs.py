"""The real programs, brought once for a whole run of the tests."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from tests.real_clis.installing import install, lacking


@cache
def installed(name: str) -> Path:
    """A real program at its pinned version. Skips the test only where npm or a new Python is missing, and never in CI."""
    if not os.environ.get("CI") and (missing := lacking(name)):
        pytest.skip(missing)
    return install(name)
