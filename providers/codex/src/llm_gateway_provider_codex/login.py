"""Whether Codex has a login of which its own `codex login status` knows nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_CHOSEN = re.compile(r"""\s*model_provider\s*=\s*["']?([A-Za-z0-9_-]+)["']?\s*""")
_KEY = re.compile(r"""\benv_key\s*=\s*["']([^"']+)["']""")


def logged_in(environ: Mapping[str, str], config: Sequence[str]) -> bool | None:
    """A key, or a service of the settings with its own; None: `codex login status` knows.

    :param config: `[providers.codex] config`.
    """
    chosen = [found[1] for found in map(_CHOSEN.fullmatch, config) if found]
    if chosen and chosen[-1] != "openai":
        service = "\n".join(one for one in config if one.lstrip().startswith(f"model_providers.{chosen[-1]}"))
        key = _KEY.search(service)
        return bool(environ.get(key[1])) if key else None if "requires_openai_auth" in service else True
    return True if environ.get("CODEX_API_KEY") else None
