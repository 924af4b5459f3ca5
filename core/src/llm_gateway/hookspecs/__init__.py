"""The contract with plugins: every hook that the kernel calls.

A plugin is a module or object with functions marked `@hookimpl`, found through an entry point of the group
`llm_gateway.<kind>` (kinds: provider, store, transport, policy, engine, extension). A hook is quick and synchronous: what must
wait is returned as an object with async methods. An implementation may take fewer parameters than its spec has; parameters may
be added to a spec, none is removed within a major version.

Provider hooks are asked of one provider's plugin alone, so an implementation never has to look whether it is meant. A plugin of
another kind wraps them for all providers with `@hookimpl(wrapper=True)`.

**Order of wrappers.** Every answer is asked of one plugin at a time, with all wrappers of that hook around it. The wrapper that was
registered last is the outermost: it runs first and sees the answer last. Plugins are loaded, and so registered, by kind
(policy, extension, provider, store, engine, transport), within a kind by name. `@hookimpl(wrapper=True, tryfirst=True)` puts a
wrapper outside of all that do not say so, `trylast=True` inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llm_gateway.hookspecs import judgement, lifespan, places, providers, surface
from llm_gateway.hookspecs.marks import API_VERSION, OWNER, PROJECT, REQUIRED, hookimpl

__all__ = ["API_VERSION", "AREAS", "HOOKS", "OWNER", "PROJECT", "REQUIRED", "hookimpl"]

AREAS = (providers, judgement, places, surface, lifespan)
#: Every hook that there is, in the order of the areas.
HOOKS: Mapping[str, Callable[..., Any]] = {
    name: spec for area in AREAS for name, spec in vars(area).items() if name.startswith("gateway_")
}
