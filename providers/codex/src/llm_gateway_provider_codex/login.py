"""Find logins of Codex that `codex login status` does not report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_CHOSEN = re.compile(r"""\s*model_provider\s*=\s*["']?([A-Za-z0-9_-]+)["']?\s*""")
_KEY = re.compile(r"""\benv_key\s*=\s*["']([^"']+)["']""")


def logged_in(environ: Mapping[str, str], config: Sequence[str]) -> bool | None:
    """Whether a key is set for Codex or for the service in the settings. None: ask `codex login status`.

    :param config: `[providers.codex] overrides`.
    """
    chosen = [found[1] for found in map(_CHOSEN.fullmatch, config) if found]
    if chosen and chosen[-1] != "openai":
        service = "\n".join(item for item in config if item.lstrip().startswith(f"model_providers.{chosen[-1]}"))
        key = _KEY.search(service)
        if key:
            return bool(environ.get(key[1]))
        return None if "requires_openai_auth" in service else True
    return True if environ.get("CODEX_API_KEY") else None
