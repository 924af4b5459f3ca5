"""Two principals: what one has is not there for the other. Made from the registry, so that a new operation is tried too."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.errors import GatewayError, InvalidRequest, SessionNotFound
from llm_gateway.model.operation import CallContext, Operation
from tests.integration.gateway.world import Answer, Caller, Home, refused

pytestmark = pytest.mark.anyio

#: A value for each parameter that an operation may require, other than an id.
REQUIRED: dict[str, Any] = {
    "provider": "echo",
    "providers": ["echo", "echo:echo-1-mini"],
    "implementer": "echo",
    "prompt": "a question of my own",
}
#: What at least one of must be given, where nothing is required by itself.
HELPFUL: dict[str, Any] = {"prompt": REQUIRED["prompt"], "text": "some words to review", "dryRun": True}
_ID = re.compile(r"(^id|Id|Ids)$")
_NO_ID = {"correlationId"}  # a word of the caller's own


@pytest.fixture
def echo_only(home: Home) -> Home:
    """Every plugin that is no provider, and the imitation."""
    names = ("cache", "claude_code", "connect", "git", "mcp_servers", "operations", "pricing", "records", "review")
    home.env["LLM_GATEWAY_PLUGINS"] = ",".join(("echo", "managed", *names))
    return home


@dataclass
class Belongings:
    """What a principal has."""

    ids: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    running: str = ""
    session: str = ""
    review: str = ""

    def seen_in(self, text: str, but: str = "") -> list[str]:
        """Which of it stands in a text, but for an id that was asked for."""
        return [one for one in (*self.ids, *self.words) if one != but and one in text]


async def belongings(caller: Caller) -> Belongings:
    """Something of everything: an ended and a running job, a session, a prefix, a verdict, a review."""
    word = f"secret-of-{caller.principal}"
    parts = {"system": f"{word} system", "task": f"{word} task"}
    ended = await caller.ask(None, promptParts=parts, approvalStrategy="mcp_managed", correlationId=f"c-{word}")
    running = await caller.start(f"{word} running", scenario="hang", createNewSession=True)
    await caller.said(running)
    made = await caller.call("session_create", provider="echo", description=word, workingDir=str(caller.home.work))
    review = await caller.call(
        "review", providers=REQUIRED["providers"], text=f"{word} text", workingDir=str(caller.home.work)
    )
    jobs = await caller.jobs()
    records = await caller.gateway.store.list_records(principal=caller.principal)
    ids = {job[name] for job in jobs for name in ("id", "gatewaySessionId", "sessionId") if job.get(name)}
    ids |= {made["session"]["gatewaySessionId"], review["reviewId"]}
    ids |= {record.prefix_sha256 for record in records if record.prefix_sha256}
    assert {ended["jobId"], ended["sessionId"], running} <= ids
    return Belongings(
        ids=sorted(ids), words=[word], running=running, session=ended["gatewaySessionId"], review=review["reviewId"]
    )


def unknown(known: str) -> str:
    """An id of the same form that nobody has."""
    if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", known):
        return str(uuid.uuid5(uuid.NAMESPACE_OID, known))
    swapped = str.maketrans("0123456789abcdef", "fedcba9876543210")
    head, dash, tail = known.rpartition("-")
    return head + dash + tail.translate(swapped)


def parameters(operation: Operation) -> dict[str, bool]:
    """Its parameters on the wire, and whether each is required."""
    fields = operation.params.model_fields
    return {(one.alias or name): one.is_required() for name, one in fields.items()}


def ids_of(operation: Operation) -> list[str]:
    return [name for name in parameters(operation) if _ID.search(name) and name not in _NO_ID]


def arguments(operation: Operation, home: Home, given: dict[str, Any]) -> dict[str, Any]:
    """What to call it with, beside ids."""
    filled = dict(given)
    for name, required in parameters(operation).items():
        if name in filled:
            continue
        if required:
            filled[name] = REQUIRED[name]
        elif name in HELPFUL:
            filled[name] = HELPFUL[name]
        elif name == "workingDir":
            filled[name] = str(home.work)
    return filled


def tries(operation: Operation, home: Home, known: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Calls with an id that somebody has, each with the same call of an id that nobody has."""
    for name in ids_of(operation):
        several = name.endswith("Ids")
        mine, nobodys = ([known], [unknown(known)]) if several else (known, unknown(known))
        yield arguments(operation, home, {name: mine}), arguments(operation, home, {name: nobodys})


async def told(caller: Caller, name: str, asked: dict[str, Any]) -> tuple[str, str]:
    """(error code or empty, words) of a call."""
    try:
        return "", json.dumps(await caller.call(name, **asked), ensure_ascii=False)
    except GatewayError as error:
        return error.code, json.dumps(error.to_wire(), ensure_ascii=False)


async def test_lesson_116_every_operation_with_ids_of_another_principal(echo_only: Home) -> None:
    async with echo_only.open() as local:
        alice, bob = local.other("alice"), local.other("bob")
        hers = await belongings(alice)
        tried = 0
        for name, operation in local.gateway.operations.items():
            for known in hers.ids if ids_of(operation) else ():
                for asked, nobodys in tries(operation, echo_only, known):
                    code, words = await told(bob, name, asked)
                    same_code, same_words = await told(bob, name, nobodys)
                    assert code in ("invalid_request", "session_not_found"), (name, asked, words)
                    form = words.replace(known, "ID"), same_words.replace(unknown(known), "ID")
                    assert (code, form[0]) == (same_code, form[1]), (name, "it tells them apart")
                    assert not hers.seen_in(words, but=known), (name, words)
                    tried += 1
        assert tried > 50
        await still_there(alice, hers)


async def still_there(caller: Caller, owned: Belongings) -> None:
    """What others tried has changed nothing."""
    assert await caller.state(owned.running) == "running"
    assert (await caller.call("session_get", sessionId=owned.session))["session"]["gatewaySessionId"] == owned.session
    assert (await caller.call("review_result", reviewId=owned.review))["reviewId"] == owned.review


async def test_lesson_116_lists_and_health_show_only_ones_own(echo_only: Home) -> None:
    async with echo_only.open() as local:
        alice = local.other("alice")
        hers = await belongings(alice)
        for other in (local.other("bob"), local):
            for name, operation in local.gateway.operations.items():
                if required_ids(operation):
                    continue
                if name.endswith("_request_async"):
                    continue  # as `_request`, but nobody would wait for its job
                _, words = await told(other, name, arguments(operation, echo_only, {}))
                assert not hers.seen_in(words), (other.principal, name)
        health = await local.other("eve").call("llm_process_health")
        assert health["running"] == health["queued"] == []
        assert "jobs" not in health["store"]
        await still_there(alice, hers)


def required_ids(operation: Operation) -> list[str]:
    return [name for name in ids_of(operation) if parameters(operation)[name]]


async def test_lesson_116_every_resource_and_prompt(echo_only: Home) -> None:
    async with echo_only.open() as local:
        hers = await belongings(local.other("alice"))
        bob = CallContext(principal="bob")
        for resource in local.gateway.resources:
            for known in hers.ids if resource.is_template else [""]:
                uri = re.sub(r"\{\w+\}", known, resource.uri)
                try:
                    _, words = await local.gateway.read(uri, bob)
                except (GatewayError, LookupError) as error:
                    words = str(error)
                assert not hers.seen_in(words, but=known), (uri, words)
        for prompt in local.gateway.prompts:
            for known in hers.ids:
                words = prompt.render(dict.fromkeys(prompt.arguments, known))
                assert not hers.seen_in(words, but=known), prompt.name


async def answered(caller: Caller, session: str) -> Answer:
    return await caller.ask("and now?", sessionId=session, scenario="recall")


async def test_lesson_116_a_native_id_is_its_principals_alone(home: Home) -> None:
    async with home.open() as local:
        alice, bob = local.other("alice"), local.other("bob")
        native = (await alice.ask("my secret"))["sessionId"]
        for other in (bob, local):
            await refused(SessionNotFound, answered(other, native))
        assert (await answered(alice, native))["text"] == "my secret"


async def test_lesson_116_an_unknown_native_id_is_taken_from_the_user_of_this_machine_alone(home: Home) -> None:
    async with home.open() as local:
        begun = await local.ask("begun without the gateway")
        await local.call("session_delete", sessionId=begun["gatewaySessionId"])
        remote = local.other("local")
        remote.remote = True
        for other in (remote, local.other("bob")):
            await refused(SessionNotFound, answered(other, begun["sessionId"]))
        assert (await answered(local, begun["sessionId"]))["text"] == "begun without the gateway"


async def test_lesson_116_an_agent_that_names_anothers_conversation_does_not_get_it(home: Home) -> None:
    async with home.open() as local:
        native = (await local.other("alice").ask("my secret"))["sessionId"]
    program = home.path.parent / "liar"
    real = Path(sys.executable).with_name("llm-gateway-echo")
    program.write_text(
        f"""#!/bin/sh\n"{real}" "$@" | sed 's/"session", "id": "[^"]*"/"session", "id": "{native}"/'\n"""
    )
    program.chmod(0o700)
    home.env["LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE"] = str(program)
    async with home.open() as local:
        alice, bob = local.other("alice"), local.other("bob")
        told = await bob.ask("whose is it?")
        assert told["text"] == "echo: whose is it?"
        assert "sessionId" not in told
        assert not told.get("resumable")
        assert [warning["code"] for warning in told["warnings"]] == ["security"]
        await refused(SessionNotFound, answered(bob, native))
        assert (await answered(alice, native))["text"] == "my secret"
        records = await bob.call("llm_process_health")
        assert native not in json.dumps(records)


async def test_lesson_116_a_wait_for_several_jobs_is_refused_if_one_is_anothers(home: Home) -> None:
    async with home.open() as local:
        theirs = (await local.other("alice").ask("one"))["jobId"]
        mine = (await local.ask("two"))["jobId"]
        await refused(InvalidRequest, local.wait(mine, theirs))
