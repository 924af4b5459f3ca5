"""Find the providers that a caller names."""

from __future__ import annotations

from llm_gateway import Gateway, ProviderInfo
from llm_gateway.errors import InvalidRequest


def known_provider(gateway: Gateway, name: str) -> ProviderInfo:
    """Return the provider with this name. Raises InvalidRequest with the most similar name."""
    if name in gateway.providers:
        return gateway.providers[name]
    from difflib import get_close_matches  # needed only for this error

    near = get_close_matches(name, list(gateway.providers), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InvalidRequest(
        f"there is no provider {name}{hint}", recovery=f"Installed: {', '.join(gateway.providers) or 'none'}."
    )


def chosen_providers(gateway: Gateway, name: str | None) -> list[ProviderInfo]:
    """Return the provider with this name, or all without a name."""
    return list(gateway.providers.values()) if name is None else [known_provider(gateway, name)]
