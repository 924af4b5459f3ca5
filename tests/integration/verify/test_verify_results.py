"""The results of `verify` are kept for each build, and later requests and reports use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import find_program, keep_verified, verified_build, verified_text
from llm_gateway_testing import GatewayFactory

pytestmark = pytest.mark.anyio
AT = "2026-11-29T10:00:00+00:00"
GOOD = {"starts": {"status": "ok", "detail": ""}, "mcp": {"status": "skipped", "detail": "x"}}
BREACH = {"posture:prompted": {"status": "breach", "detail": "prompted permitted: write outside"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def entry(checks: dict[str, Any], **changes: str) -> dict[str, Any]:
    return {"identity": "/x:1:2", "version": "1.0", "at": AT, "checks": checks, **changes}


def test_what_was_verified_is_told_by_day_and_number(tmp_path: Path) -> None:
    keep_verified(tmp_path, "echo", "", entry(GOOD))
    build = verified_build(tmp_path, "echo", "", "/x:1:2")
    assert build
    assert verified_text(build) == "verified here on 29 Nov: 1 of 1"
    keep_verified(tmp_path, "echo", "", entry(BREACH))
    build = verified_build(tmp_path, "echo", "", "/x:1:2")
    assert build
    assert verified_text(build) == "verified here on 29 Nov: 1 of 2; differs: posture:prompted"


def test_another_build_or_variant_is_not_verified(tmp_path: Path) -> None:
    keep_verified(tmp_path, "echo", "one", entry(GOOD))
    assert verified_build(tmp_path, "echo", "one", "/x:1:3") is None
    assert verified_build(tmp_path, "echo", "two", "/x:1:2") is None
    keep_verified(tmp_path, "echo", "one", entry(BREACH, identity="/x:1:3"))
    old, new = (verified_build(tmp_path, "echo", "one", f"/x:1:{size}") for size in (2, 3))
    assert old
    assert new
    assert (old["breaches"], new["breaches"]) == ([], ["posture:prompted"])


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"[1]", b'[{"identity": "/x:1:2"}]', b"\xff", b"[" * 100_000])
def test_a_damaged_file_counts_as_not_verified(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "verified").mkdir()
    (tmp_path / "verified" / "echo.json").write_bytes(content)
    assert verified_build(tmp_path, "echo", "", "/x:1:2") is None


def break_posture(factory: GatewayFactory, gateway: Any) -> None:
    """As if `verify` had seen the posture `prompted` of the installed imitation permit too much."""
    program = find_program(gateway.providers["echo"], None, gateway.environ)
    assert program
    keep_verified(factory.home, "echo", "", entry(BREACH, identity=program.identity))


async def test_a_broken_posture_is_named_in_every_answer_and_by_cli_versions(gateway_factory: GatewayFactory) -> None:
    async with gateway_factory.open() as gateway:
        sound = await gateway_factory.call(gateway, "echo_request", prompt="one", posture="prompted")
        break_posture(gateway_factory, gateway)
        broken = [
            await gateway_factory.call(gateway, "echo_request", prompt=prompt, posture="prompted")
            for prompt in ("two", "three")
        ]
        other = await gateway_factory.call(gateway, "echo_request", prompt="four", posture="accept_edits")
        (report,) = (await gateway_factory.call(gateway, "cli_versions", provider="echo"))["providers"]
    codes = [[warning["code"] for warning in answer["warnings"]] for answer in (sound, *broken, other)]
    assert ["posture_broken" in found for found in codes] == [False, True, True, False]
    assert report["verified"]["breaches"] == ["posture:prompted"]


@pytest.mark.parametrize("refuse", [True, False])
async def test_a_broken_posture_can_be_refused(refuse: bool, gateway_factory: GatewayFactory) -> None:
    settings = f"[verify]\nrefuse_broken_postures = {json.dumps(refuse)}\n"
    async with gateway_factory.open(settings=settings) as gateway:
        break_posture(gateway_factory, gateway)
        answer = await gateway_factory.call(gateway, "echo_request", prompt="one", posture="prompted")
        higher = await gateway_factory.call(gateway, "echo_request", prompt="two", posture="accept_edits")
    assert answer.get("error", {}).get("code") == ("approval_denied" if refuse else None)
    assert higher["status"] == "completed"
