"""A provider whose program does next to nothing, so that what is left to measure is the gateway.

Found through an entry point that `world.py` writes for the measured processes; installed nowhere.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import (
    Event,
    EventKind,
    Invocation,
    LineSplitter,
    Posture,
    ProviderInfo,
    Request,
    Resume,
    RunEnd,
    Session,
    Summary,
    hookimpl,
)

LINE = "x" * 1023
WORKS: dict[str, str] = {
    "flood": f"yes {LINE} | head -c $1",
    "hang": "exec sleep $1",
    "speak": f"yes {LINE} | head -c $1",  # as flood, but all of it is the reply
}


class Options(BaseModel):
    """What the program does."""

    model_config = ConfigDict(extra="forbid")

    work: Literal["echo", "flood", "hang", "speak"] = "echo"
    amount: int = Field(0, ge=0)


def command(work: str, amount: int) -> tuple[str, ...]:
    """The program, bare."""
    if work == "echo":
        return ("/bin/echo", "hi")
    return ("/bin/sh", "-c", WORKS[work], "sh", str(amount))


class Reader:
    """Takes the output line by line, as a reader of JSON lines does."""

    def __init__(self, *, speaks: bool) -> None:
        self._lines = LineSplitter()
        self._said: list[bytes] | None = [] if speaks else None
        self._last = b""
        self._bytes = 0

    def feed(self, stream: str, data: bytes) -> list[Event]:
        """Count."""
        seen = 0
        for line in self._lines.feed(data):
            self._last = line
            if self._said is not None:
                self._said.append(line)
            seen += 1
        self._bytes += len(data)
        return [Event(kind=EventKind.TOOL, text=f"{self._bytes} bytes")] if seen else []

    def gap(self, stream: str) -> None:
        """Forget a half line."""
        self._lines.gap()

    def finish(self, end: RunEnd) -> Summary:
        """The last line's beginning, or all of them."""
        if self._said is not None:
            return Summary(text=b"\n".join(self._said).decode(errors="replace"))
        return Summary(text=self._last[:80].decode(errors="replace"))


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    """Describe it; as much as a real one of the smaller kind holds."""
    return ProviderInfo(
        name="tiny",
        title="Tiny",
        executable="/bin/echo",
        options_model=Options,
        postures=tuple(Posture),
        supports=frozenset({"sessionId", "addDirs"}),
    )


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """The bare program, with the prompt on stdin."""
    options = Options.model_validate(request.options)
    return Invocation(argv=command(options.work, options.amount), stdin=request.prompt.text.encode())


@hookimpl
def gateway_resume_session(request: Request, session: Session | None) -> Resume:
    """Always fresh."""
    return Resume()


@hookimpl
def gateway_open_reader(request: Request) -> Reader:
    """Read lines."""
    return Reader(speaks=Options.model_validate(request.options).work == "speak")
