"""The contract of a transport, for the author of one.

class TestMine(TransportContract):
    @asynccontextmanager
    async def connect(self, gateway, folder):
        async with anyio.create_task_group() as tasks:
            ... serve the gateway, connect one client ...
            yield my_caller                    # a Caller: names() and call(name, arguments)
            ... let the client go ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest

from llm_gateway import CallContext, Gateway, Operation, Wire, error_for, hookimpl, operation
from llm_gateway_testing.worlds import GatewayFactory

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a caller was answered."""

    text: str  #: the words that a person or a model would see
    data: Mapping[str, Any] | None = None  #: the result's fields, under their names on the wire
    error: str | None = None  #: an error's code; "" for an error that has none; None: it went well


class Caller(Protocol):
    """A client of the transport, as the contract uses one."""

    async def names(self) -> Collection[str]:
        """What can be called."""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Told:
        """Call it. May be called from several tasks at once."""


class Params(Wire):
    """What the probe's operations take."""

    text: str = ""
    number: int = 0


class Result(Wire):
    """What they answer."""

    text: str
    text_length: int


class Probe:
    """An extension with operations of every temper."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.left = anyio.Event()
        self.principals: list[str] = []

    @hookimpl
    def gateway_operations(self) -> Sequence[Operation]:
        return [
            operation(f"probe_{name}", name.title(), handler, Params, Result, text=lambda result: result.text)
            for name, handler in (
                ("say", self.say),
                ("big", self.big),
                ("fail", self.fail),
                ("crash", self.crash),
                ("hang", self.hang),
            )
        ]

    async def say(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Say it again."""
        print("a stray print")
        self.principals.append(context.principal)
        return Result(text=params.text, text_length=len(params.text))

    async def big(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Say much."""
        return Result(text="ä" * params.number, text_length=params.number)

    async def fail(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Fail with a code."""
        raise error_for(params.text, "It went wrong.", recovery="Do it right.")

    async def crash(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Break."""
        raise RuntimeError("the secret reason")

    async def hang(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Never answer."""
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.left.set()
        raise AssertionError


@pytest.mark.anyio
class TransportContract(ABC):
    """All that every transport must do."""

    @abstractmethod
    def connect(self, gateway: Gateway, folder: Path) -> AbstractAsyncContextManager[Caller]:
        """Serve the gateway and connect one client. At the end the client goes away, and serving ends with it or is ended."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def probe(self) -> Probe:
        return Probe()

    @pytest.fixture
    async def gateway(self, gateway_factory: GatewayFactory, probe: Probe) -> AsyncIterator[Gateway]:
        async with gateway_factory.open(("extension", "probe", probe), LLM_GATEWAY_PLUGINS="") as gateway:
            yield gateway

    async def test_lesson_61_every_operation_can_be_called(self, gateway: Gateway, tmp_path: Path) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                assert set(await caller.names()) == {operation.name for operation in gateway.listed_operations()}

    async def test_lesson_63_an_answer_has_its_words_and_its_fields(
        self, gateway: Gateway, probe: Probe, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                told = await caller.call("probe_say", {"text": "größer 日本語 \u2028 \U0001f40d"})
        assert told == Told(
            text="größer 日本語 \u2028 \U0001f40d",
            data={"text": "größer 日本語 \u2028 \U0001f40d", "textLength": 14},
        )
        assert len(probe.principals) == 1
        assert probe.principals[0], "every caller has a principal"

    async def test_lesson_12_a_long_answer_comes_whole(self, gateway: Gateway, tmp_path: Path) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                told = await caller.call("probe_big", {"number": 500_000})
        assert told.data is not None
        assert (len(told.data["text"]), set(told.data["text"])) == (500_000, {"ä"})

    async def test_a_long_question_comes_whole(self, gateway: Gateway, tmp_path: Path) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                told = await caller.call("probe_say", {"text": "ä" * 500_000})
        assert told.data is not None
        assert told.data["textLength"] == 500_000

    @pytest.mark.parametrize("code", ["invalid_request", "saturated", "approval_denied", "timeout"])
    async def test_an_error_keeps_its_code_and_its_words(self, gateway: Gateway, tmp_path: Path, code: str) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                told = await caller.call("probe_fail", {"text": code})
        assert told.error == code
        assert "It went wrong." in told.text
        assert "Do it right." in told.text

    async def test_arguments_that_do_not_fit_are_an_error_and_name_what_is_wrong(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                for arguments in ({"txet": "x"}, {"number": "many"}, {"number": 1.5}):
                    told = await caller.call("probe_say", arguments)
                    assert told.error == "invalid_request"
                    assert next(iter(arguments)) in told.text

    async def test_after_every_kind_of_trouble_the_next_call_is_answered(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                for name in ("no_such_operation", "probe_crash", ""):
                    told = await caller.call(name, {})
                    assert told.error is not None, name
                    assert "the secret reason" not in told.text, "an unexpected error's words are for the log"
                    assert (await caller.call("probe_say", {"text": "still here"})).text == "still here"

    async def test_lesson_11_one_call_does_not_wait_for_another(
        self, gateway: Gateway, probe: Probe, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller, anyio.create_task_group() as tasks:
                tasks.start_soon(caller.call, "probe_hang", {})
                await probe.begun.wait()
                assert (await caller.call("probe_say", {"text": "quick"})).text == "quick"
                tasks.cancel_scope.cancel()

    async def test_twenty_calls_at_once_get_twenty_answers(self, gateway: Gateway, tmp_path: Path) -> None:
        answers: dict[str, str] = {}

        async def ask(caller: Caller, word: str) -> None:
            answers[word] = (await caller.call("probe_say", {"text": word})).text

        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller, anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(ask, caller, f"word {number}")
        assert answers == {f"word {number}": f"word {number}" for number in range(20)}

    async def test_lesson_6_a_client_that_goes_away_leaves_no_handler_behind(
        self, gateway: Gateway, probe: Probe, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller, anyio.create_task_group() as tasks:
                tasks.start_soon(caller.call, "probe_hang", {})
                await probe.begun.wait()
                tasks.cancel_scope.cancel()
            await probe.left.wait()
