"""Match a URI against a resource's URI or template."""

from __future__ import annotations

import re
from urllib.parse import unquote


def match_uri(template: str, uri: str) -> dict[str, str] | None:
    """The variables of `{name}` places, each one path segment; None when the URI is another one."""
    pattern = "".join(
        f"(?P<{part[1:-1]}>[^/?#]+)" if part.startswith("{") else re.escape(part)
        for part in re.split(r"(\{\w+\})", template)
    )
    found = re.fullmatch(pattern, uri)
    return {name: unquote(value) for name, value in found.groupdict().items()} if found else None
