"""What fails at the model's service arrives as the right error, in time and with a way on."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from llm_gateway import Loopback, ProviderInfo
from llm_gateway_extension_verify.checks.check import Check, Differs, always
from llm_gateway_extension_verify.surroundings import Surroundings

#: Some programs try again for a minute before they give up, in seconds.
FAILING_RUN_S = 120.0
_LIMIT_S = 7200


async def fails(
    around: Surroundings,
    *,
    codes: tuple[str, ...],
    prompt: str = "SAY:never",
    account: str = "same",
    closed_port: bool = False,
    **asked: Any,
) -> None:
    """Send a request that must fail with one of these codes.

    :param account: `same`, `bad` (the service refuses the key) or `none`.
    :param closed_port: nothing listens at the service's address.
    """
    async with AsyncExitStack() as stack:
        asking = around
        if account != "same" or closed_port:
            key = {"same": "", "bad": "bad-verify-key", "none": None}[account]
            service = f"http://127.0.0.1:{_free_port()}" if closed_port else ""
            name = f"failure-{account}-{'closed' if closed_port else 'open'}"
            asking = await stack.enter_async_context(around.changed(name, key=key, service=service))
        answer = await asking.ask(prompt, timeoutMs=int(FAILING_RUN_S * 1000), **asked)
    error = answer.get("error", {})
    if answer["status"] == "completed":
        raise Differs(f"the request was answered: {answer['text'][:100]!r}")
    if error.get("code") not in codes:
        said = error.get("providerMessage") or error.get("message")
        raise Differs(f"the error is {error.get('code')}, not {' or '.join(codes)}: {said}")
    if not error.get("recovery"):
        raise Differs(f"the error {error.get('code')} does not say what to do")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _no_key(info: ProviderInfo, loopback: Loopback) -> str:
    return "" if loopback.key else "its plugin names no key"


def _failure(name: str, summary: str, **how: Any) -> Check:
    unless = _no_key if "account" in how else always
    return Check(id=f"failure:{name}", summary=summary, run=partial(fails, **how), unless=unless)


CHECKS = [
    _failure("bad-key", "A refused key is `auth_required`.", codes=("auth_required",), account="bad"),
    _failure("no-key", "A missing key is `auth_required`.", codes=("auth_required",), account="none"),
    _failure("bad-model", "An unknown model is `bad_model`.", codes=("bad_model",), model="no-such-model"),
    # Without a hint of when to come back, some programs wait for a minute.
    _failure("429", "A limit is `quota_exhausted`.", codes=("quota_exhausted",), prompt="FAIL:429:0:1"),
    _failure(
        "429-long",
        "A limit of hours is `quota_exhausted`, and the run does not wait for its end.",
        codes=("quota_exhausted",),
        prompt=f"FAIL:429:0:{_LIMIT_S}",
    ),
    _failure("500", "A fault of the service is `overloaded`.", codes=("overloaded",), prompt="FAIL:500"),
    _failure(
        "dropped",
        "A connection that breaks is `overloaded` or `unreachable`.",
        codes=("overloaded", "unreachable"),
        prompt="DROP",
    ),
    _failure("refused", "A service that cannot be reached is `unreachable`.", codes=("unreachable",), closed_port=True),
]
