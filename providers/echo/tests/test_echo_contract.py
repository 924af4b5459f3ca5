"""The example provider passes the contract of a provider."""

from __future__ import annotations

import json

from llm_gateway import Access
from llm_gateway_provider_echo import plugin
from llm_gateway_testing import ProviderContract, Sample

ID = "0a1b2c3d-0000-4000-8000-00000000abcd"


def lines(*facts: dict[str, object]) -> bytes:
    return b"".join(json.dumps(fact).encode() + b"\n" for fact in ({"type": "session", "id": ID}, *facts))


class TestEcho(ProviderContract):
    plugin = plugin
    name = "echo"
    file_tools = {"Read": Access.LOOK, "Edit": Access.EDIT}
    samples = (
        Sample(
            name="answer",
            stdout=lines(
                {"type": "tool", "name": "Read", "detail": "file 1 of 1"},
                {"type": "text", "text": "echo: größer 日本語"},
                {"type": "usage", "inputTokens": 2, "outputTokens": 3, "costUsd": 0.5},
                {"type": "result", "text": "echo: größer 日本語"},
            ),
            text="echo: größer 日本語",
            native_id=ID,
        ),
        Sample(
            name="no login",
            stdout=lines({"type": "error", "kind": "auth", "message": "log in first"}),
            exit_code=1,
            failure="auth_required",
        ),
        Sample(name="crash", stdout=lines(), stderr="fatal\n", exit_code=3, failure="provider_failed"),
    )
