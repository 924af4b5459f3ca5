"""The contract with plugins: every hook that the kernel calls.

A plugin is a module or object with functions marked `@hookimpl`, found through an entry point of the group
`llm_gateway.<kind>` (kinds: provider, store, transport, policy, engine, extension). A hook is quick and synchronous: for work
that must wait it returns an object with async methods. An implementation may accept fewer parameters than its spec has;
parameters may be added to a spec, none is removed within a major version.

A provider hook is called on one provider's plugin only, so an implementation need not check which provider is meant. A plugin
of another kind wraps it for all providers with `@hookimpl(wrapper=True)`.

Order of wrappers: the kernel loads policies, then extensions, then providers, each in order of name. A wrapper that is loaded
later runs outside of those loaded before: an extension's wrapper runs outside of a policy's wrapper, and of two policies the
one whose name sorts later runs outside. `@hookimpl(wrapper=True, tryfirst=True)` moves a wrapper to the outside,
`trylast=True` to the inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llm_gateway.hookspecs import judgement, lifespan, places, providers, surface
from llm_gateway.hookspecs.marks import API_VERSION, OWNER, PROJECT, REQUIRED, hookimpl

__all__ = ["API_VERSION", "AREAS", "HOOKS", "OWNER", "PROJECT", "REQUIRED", "hookimpl"]

AREAS = (providers, judgement, places, surface, lifespan)
#: Every hook, in the order of the areas.
HOOKS: Mapping[str, Callable[..., Any]] = {
    name: spec for area in AREAS for name, spec in vars(area).items() if name.startswith("gateway_")
}
