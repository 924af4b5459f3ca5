"""Processes: identity, descendants, usage, and what the operating system offers. Standard library only: shims use it."""

from __future__ import annotations

from . import linux as system

__all__ = ["system"]
