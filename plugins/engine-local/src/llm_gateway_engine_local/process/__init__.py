"""Processes: identity, descendants, usage, and what the operating system offers. Shims use it.

There are two implementations with the same functions. `linux` needs only the standard library: /proc, pidfd, prctl. `portable` uses
psutil and POSIX, for macOS; on Linux `LLM_GATEWAY_PORTABLE=1` selects it, so that it can be tested there.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False

#: Whether the portable implementations are in use, here and for watching files.
PORTABLE = not sys.platform.startswith("linux") or os.environ.get("LLM_GATEWAY_PORTABLE") == "1"

if TYPE_CHECKING or not PORTABLE:
    from . import linux as system
else:
    from . import portable as system

__all__ = ["PORTABLE", "system"]
