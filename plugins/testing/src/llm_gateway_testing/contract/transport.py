"""The contract of a transport. Subclass it to test your transport.

class TestMine(TransportContract):
    @asynccontextmanager
    async def connect(self, gateway, folder):
        async with anyio.create_task_group() as tasks:
            ... serve the gateway, connect one client ...
            yield my_caller                    # a Caller: names() and call(name, arguments)
            ... disconnect the client ...
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
from llm_gateway_testing.gateway_factory import GatewayFactory

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The answer to a call."""

    text: str  #: the text that a person or a model reads
    data: Mapping[str, Any] | None = None  #: the fields of the result, by wire name
    error: str | None = None  #: the error code; "": an error without a code; None: success


class Caller(Protocol):
    """A client of the transport, as the contract uses one."""

    async def names(self) -> Collection[str]:
        """Return the names of the operations that can be called."""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Told:
        """Call an operation. Several tasks may call at the same time."""


class Params(Wire):
    """The parameters of the probe's operations."""

    text: str = ""
    number: int = 0


class Result(Wire):
    """The result of the probe's operations."""

    text: str
    text_length: int


class Probe:
    """An extension whose operations succeed, fail, crash or never return."""

    def __init__(self) -> None:
        self.begun = anyio.Event()  #: set when `hang` has started
        self.left = anyio.Event()  #: set when `hang` was canceled
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
        """Return the text of the request."""
        print("a stray print")
        self.principals.append(context.principal)
        return Result(text=params.text, text_length=len(params.text))

    async def big(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Return a long text."""
        return Result(text="ä" * params.number, text_length=params.number)

    async def fail(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Raise a GatewayError with the requested code."""
        raise error_for(params.text, "It went wrong.", recovery="Do it right.")

    async def crash(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Raise an unexpected error."""
        raise RuntimeError("the secret reason")

    async def hang(self, gateway: Gateway, params: Params, context: CallContext) -> Result:
        """Wait until the call is canceled."""
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.left.set()
        raise AssertionError


@pytest.mark.anyio
class TransportContract(ABC):
    """What every transport must do."""

    @abstractmethod
    def connect(self, gateway: Gateway, folder: Path) -> AbstractAsyncContextManager[Caller]:
        """Serve the gateway and connect one client. On exit, disconnect the client and stop serving."""

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
                names = set(await caller.names())
                operations = {operation.name for operation in gateway.listed_operations()}
                assert names == operations, f"missing: {operations - names}; unknown: {names - operations}"

    async def test_lesson_63_an_answer_has_text_and_fields(
        self, gateway: Gateway, probe: Probe, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                answer = await caller.call("probe_say", {"text": "größer 日本語 \u2028 \U0001f40d"})
        assert answer == Told(
            text="größer 日本語 \u2028 \U0001f40d",
            data={"text": "größer 日本語 \u2028 \U0001f40d", "textLength": 14},
        )
        assert len(probe.principals) == 1
        assert probe.principals[0], "set `CallContext.principal` for every call"

    async def test_lesson_12_a_long_answer_is_complete(self, gateway: Gateway, tmp_path: Path) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                answer = await caller.call("probe_big", {"number": 500_000})
        assert answer.data is not None
        assert (len(answer.data["text"]), set(answer.data["text"])) == (500_000, {"ä"})

    async def test_a_long_request_is_complete(self, gateway: Gateway, tmp_path: Path) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                answer = await caller.call("probe_say", {"text": "ä" * 500_000})
        assert answer.data is not None
        assert answer.data["textLength"] == 500_000

    @pytest.mark.parametrize("code", ["invalid_request", "saturated", "approval_denied", "timeout"])
    async def test_an_error_keeps_its_code_message_and_recovery(
        self, gateway: Gateway, tmp_path: Path, code: str
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                answer = await caller.call("probe_fail", {"text": code})
        assert answer.error == code
        assert "It went wrong." in answer.text
        assert "Do it right." in answer.text

    async def test_invalid_arguments_are_an_error_that_names_the_argument(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                for arguments in ({"txet": "x"}, {"number": "many"}, {"number": 1.5}):
                    answer = await caller.call("probe_say", arguments)
                    assert answer.error == "invalid_request"
                    assert next(iter(arguments)) in answer.text

    async def test_after_every_kind_of_error_the_next_call_succeeds(self, gateway: Gateway, tmp_path: Path) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller:
                for name in ("no_such_operation", "probe_crash", ""):
                    answer = await caller.call(name, {})
                    assert answer.error is not None, name
                    assert "the secret reason" not in answer.text, (
                        "write the text of an unexpected error to the log only"
                    )
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

    async def test_twenty_concurrent_calls_get_twenty_answers(self, gateway: Gateway, tmp_path: Path) -> None:
        answers: dict[str, str] = {}

        async def ask(caller: Caller, text: str) -> None:
            answers[text] = (await caller.call("probe_say", {"text": text})).text

        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller, anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(ask, caller, f"word {number}")
        assert answers == {f"word {number}": f"word {number}" for number in range(20)}

    async def test_lesson_6_a_disconnected_client_leaves_no_handler_running(
        self, gateway: Gateway, probe: Probe, tmp_path: Path
    ) -> None:
        with anyio.fail_after(PATIENCE_S):
            async with self.connect(gateway, tmp_path) as caller, anyio.create_task_group() as tasks:
                tasks.start_soon(caller.call, "probe_hang", {})
                await probe.begun.wait()
                tasks.cancel_scope.cancel()
            await probe.left.wait()
