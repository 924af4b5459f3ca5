"""The hooks: each calls the module that does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel

from llm_gateway import Annotations, Cost, Gateway, Record, Request, Resource, Usage, find_program, hookimpl
from llm_gateway_extension_builtin.cache import money, notices, rules
from llm_gateway_extension_builtin.cache.counting import count
from llm_gateway_extension_builtin.cache.resources import cache_resources
from llm_gateway_extension_builtin.cache.settings import CacheSettings


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """One section."""
    return {"cache_awareness": CacheSettings}


@hookimpl
def gateway_resources() -> Sequence[Resource]:
    """See resources.py."""
    return cache_resources()


@hookimpl
def gateway_annotate(
    gateway: Gateway, record: Record, earlier: Sequence[Record], request: Request | None
) -> Annotations | None:
    """Warn before the run; judge, warn and count after it."""
    settings = gateway.settings.plugins["cache_awareness"]
    assert isinstance(settings, CacheSettings)
    if record.ended_at is None:
        marked = request is not None and bool(request.prompt.cache_control)
        markable = "cacheControl" in gateway.supports(record.provider)
        warned = notices.before_run(record, earlier, marked=marked, markable=markable, settings=settings)
        return Annotations(notices=tuple(warned))

    def price(usage: Usage) -> Cost | None:
        return gateway.host.price(usage, record.provider, record.model)

    facts = rules.facts_of(record, request, _program(gateway, record, request))
    judged = replace(record, cache=rules.judge(record, earlier, facts, settings.min_prefix_tokens))
    cache = judged.cache
    if cache.saved_usd is None:
        cache = replace(cache, saved_usd=money.saved_usd(record.usage, price))
    if cache.cause:
        cache = replace(cache, wasted_usd=money.wasted_usd(judged, rules.actually_read(record) or 0, price))
    judged = replace(judged, cache=cache)
    repeated = any(one.prefix_sha256 == record.prefix_sha256 for one in earlier)
    return Annotations(
        notices=tuple(notices.after_run(judged)),
        cache=cache,
        kept={rules.KEPT: facts} if facts else {},
        counts=count(judged, repeated=repeated),
    )


def _program(gateway: Gateway, record: Record, request: Request | None) -> str | None:
    """What identifies the installed build of the provider's program. Blocking: a few stat calls."""
    if request is None:
        return None
    info = gateway.providers[record.provider].of(request.variant)
    program = find_program(info, gateway.settings.provider(record.provider).executable, gateway.environ)
    return program.identity if program else None
