"""Where a run happens when its caller names no directory, or names it in another form; over the protocol, in both of its eras."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client, types

from llm_gateway import CallContext
from llm_gateway.errors import InvalidRequest
from llm_gateway_transport_mcp import roots
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio

ERAS = ("legacy", "auto")
#: Starts the gateway in a directory that is gone.
GONE = (
    "import os, sys, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d); os.execv(sys.executable, sys.argv[1:])"
)


class Window:
    """A client's window with folders, and how often it was asked for them."""

    def __init__(self, *folders: Path | str) -> None:
        self.folders = [folder.as_uri() if isinstance(folder, Path) else folder for folder in folders]
        self.asked = 0
        self.silent = False

    async def __call__(self, context: Any) -> types.ListRootsResult:
        self.asked += 1
        if self.silent:
            await anyio.sleep_forever()
        return types.ListRootsResult(roots=[types.Root(uri=uri) for uri in self.folders])


@asynccontextmanager
async def connect(
    home: Home, window: Window | None, mode: str = "auto", *, cwd: str | None = "/"
) -> AsyncIterator[Client]:
    serve = [*home.python, "-m", "llm_gateway.cli", "serve"]
    argv = serve if cwd is not None else [sys.executable, "-c", GONE, *serve]
    command = StdioServerParameters(command=argv[0], args=argv[1:], env=home.env, cwd=cwd or "/")
    with (home.work / "log").open("a") as log, anyio.fail_after(60):
        async with Client(stdio_client(command, errlog=log), mode=mode, list_roots_callback=window) as client:
            yield client


async def place_of(client: Client, **arguments: Any) -> str:
    """Where a run happened, or why it did not."""
    told = await client.call_tool("echo_request_async", {"prompt": "hello", **arguments})
    assert told.structured_content is not None
    if told.is_error:
        return f"{told.structured_content['error']['code']}: {told.content[0].text}"  # type: ignore[union-attr]
    job = told.structured_content["job"]
    await client.call_tool("llm_job_wait", {"jobIds": [job["id"]]})
    return str(job["workingDir"])


def folder(home: Home, name: str) -> Path:
    made = home.path.parent / name
    made.mkdir()
    return made


@pytest.mark.parametrize("mode", ERAS)
async def test_without_a_directory_the_clients_first_root_that_exists_is_used(home: Home, mode: str) -> None:
    here, other = folder(home, "with space & 100%"), folder(home, "other")
    window = Window(home.path.parent / "gone", "file:" + "///", here, other)
    async with connect(home, window, mode) as client:
        assert await place_of(client) == str(here)
        assert await place_of(client, workingDir=None) == str(here)
        assert await place_of(client, workingDir=str(other)) == str(other)
        assert await place_of(client, workingDir="../other") == str(other)
        active = await client.call_tool("session_create", {"provider": "echo"})
    assert active.structured_content is not None
    assert active.structured_content["session"]["workingDir"] == str(here)


async def test_a_client_is_asked_for_its_roots_once_until_they_change(home: Home) -> None:
    first, second = folder(home, "first"), folder(home, "second")
    window = Window(first)
    async with connect(home, window, "legacy") as client:
        assert await place_of(client) == str(first)
        assert await place_of(client) == str(first)
        assert window.asked == 1
        window.folders = [second.as_uri()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await client.session.send_roots_list_changed()
        assert await place_of(client) == str(second)
        assert window.asked == 2


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_is_not_asked_when_the_caller_names_the_directory(home: Home, mode: str) -> None:
    window = Window(home.work)
    async with connect(home, window, mode) as client:
        assert await place_of(client, workingDir=str(home.work)) == str(home.work)
    assert window.asked == 0


async def test_a_client_that_does_not_tell_its_roots_is_not_waited_for_twice(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    class Session:
        client_capabilities = types.ClientCapabilities(roots=types.RootsCapability())

        async def send_request(self, *_: Any) -> Any:
            nonlocal asked
            asked += 1
            await anyio.sleep_forever()

    class Context:
        session = Session()

    monkeypatch.setattr(roots, "ANSWER_WITHIN_S", 0.02)
    known = roots.Roots()
    with anyio.fail_after(10):
        assert await known.of(Context())() == ()  # type: ignore[arg-type]
        assert await known.of(Context())() == ()  # type: ignore[arg-type]
    assert asked == 1


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("cwd", ["/", None], ids=["root", "gone"])
@pytest.mark.parametrize("window", [None, Window()], ids=["no roots", "no folder open"])
async def test_in_no_directory_to_work_in_the_caller_is_asked_for_one(
    home: Home, mode: str, cwd: str | None, window: Window | None
) -> None:
    async with connect(home, window, mode, cwd=cwd) as client:
        told = await place_of(client)
        assert told.startswith("invalid_request")
        assert "workingDir" in told
        assert (await place_of(client, workingDir="x")).startswith("invalid_request")
        assert await place_of(client, workingDir=str(home.work)) == str(home.work)


@pytest.mark.parametrize("cwd", ["/", None], ids=["root", "gone"])
async def test_a_conversation_goes_on_in_its_own_directory_wherever_the_gateway_was_started(
    home: Home, cwd: str | None
) -> None:
    async with connect(home, None, cwd=cwd) as client:
        begun = await client.call_tool("echo_request", {"prompt": "one", "workingDir": str(home.work)})
        assert begun.structured_content is not None
        session = begun.structured_content["gatewaySessionId"]
        assert await place_of(client, sessionId=session) == str(home.work)
        unknown = await place_of(client, sessionId="00000000-0000-4000-8000-000000000000")
    assert unknown.startswith("invalid_request")
    assert "workingDir" in unknown


async def test_without_roots_the_gateways_own_directory_is_used(home: Home) -> None:
    async with connect(home, None, cwd=str(home.work)) as client:
        assert await place_of(client) == str(home.work)


async def test_a_directory_may_be_a_file_uri(home: Home) -> None:
    odd = folder(home, "ä b%20c")
    local = odd.as_uri().replace(":" + "//", ":" + "//localhost")
    async with connect(home, None) as client:
        assert await place_of(client, workingDir=odd.as_uri()) == str(odd)
        assert await place_of(client, workingDir=local, addDirs=[home.work.as_uri()]) == str(odd)
        elsewhere = await place_of(client, workingDir=odd.as_uri().replace(":" + "//", ":" + "//elsewhere"))
        assert elsewhere.startswith("invalid_request")
        assert (await place_of(client, workingDir=(odd / "gone").as_uri())).startswith("invalid_request")
        assert (await place_of(client, workingDir=str(odd), addDirs=["http:x", "file:x"])).startswith("invalid_request")


async def test_a_conversation_is_found_through_a_link_to_its_directory(home: Home) -> None:
    link = home.path.parent / "link"
    link.symlink_to(home.work)
    inner = home.work / "inner"
    inner.mkdir()
    async with home.open() as caller:
        for first, then in ((home.work, link), (link, home.work), (link / "inner", inner)):
            begun = await caller.ask(f"one {first}", workingDir=str(first), createNewSession=True)
            latest = await caller.ask(f"again {first}", workingDir=str(then), resumeLatest=True)
            assert latest["gatewaySessionId"] == begun["gatewaySessionId"]
            await caller.call(
                "session_set_active", provider="echo", sessionId=begun["gatewaySessionId"], workingDir=str(first)
            )
            active = await caller.ask(f"more {first}", workingDir=str(then))
            assert active["gatewaySessionId"] == begun["gatewaySessionId"]
            await caller.call("session_set_active", provider="echo", sessionId=None, workingDir=str(then))
            fresh = await caller.ask(f"fresh {first}", workingDir=str(first))
            assert fresh["gatewaySessionId"] != begun["gatewaySessionId"]


async def test_what_an_older_home_keeps_under_a_links_name_is_found(home: Home) -> None:
    link = home.path.parent / "link"
    link.symlink_to(home.work)
    async with home.open() as caller:
        session = (await caller.ask("one"))["gatewaySessionId"]
        await caller.call("session_set_active", provider="echo", sessionId=session)
    # as the last version wrote it
    with closing(sqlite3.connect(home.path / "gateway.db")) as database, database:
        [(doc,)] = database.execute("SELECT doc FROM sessions").fetchall()
        older = json.loads(doc) | {"working_dir": str(link)}
        database.execute(
            "UPDATE sessions SET working_dir = ?, doc = ?", (os.fsencode(link), json.dumps(older).encode())
        )
        database.execute("UPDATE active_sessions SET working_dir = ?", (os.fsencode(link),))
    async with home.open() as caller:
        listed = (await caller.call("session_list"))["sessions"]
        assert [(one["gatewaySessionId"], one["active"]) for one in listed] == [(session, True)]
        assert (await caller.ask("two", workingDir=str(link)))["gatewaySessionId"] == session
        for place in (link, home.work):
            latest = await caller.ask(f"three {place}", workingDir=str(place), resumeLatest=True)
            assert latest["gatewaySessionId"] == session
        await caller.call("session_set_active", provider="echo", sessionId=None, workingDir=str(link))
        assert (await caller.ask("four", workingDir=str(link)))["gatewaySessionId"] != session


async def test_a_relative_directory_beside_is_meant_from_the_working_directory(home: Home) -> None:
    (home.work / "beside").mkdir()
    async with home.open() as caller:
        assert (await caller.ask("one", addDirs=["beside"]))["status"] == "completed"
        error = await refused(InvalidRequest, caller.ask("two", addDirs=["nowhere"]))
    assert str(home.work / "nowhere") in error.message


async def test_a_review_without_a_directory_asks_for_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home.open() as caller:
        monkeypatch.chdir("/")
        for name, more in (("review", {}), ("ask_many", {"prompt": "x"}), ("consensus", {"prompt": "x"})):
            asked = {"providers": ["echo"], **more}
            error = await refused(InvalidRequest, caller.gateway.call(name, asked, CallContext()))
            assert "workingDir" in error.message
