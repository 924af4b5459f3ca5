"""One turn: from the command line and stdin to the last event."""

import os
import sys
import time

from llm_gateway_provider_echo.agent.arguments import USAGE, Arguments
from llm_gateway_provider_echo.agent.conversation import Conversation
from llm_gateway_provider_echo.agent.events import Failed, Output, line
from llm_gateway_provider_echo.agent.scenarios import ODD_SIZES, SCENARIOS

VERSION = "0.1.0"


class Turn:
    """The data and the output of one turn, for a scenario."""

    def __init__(self, arguments: Arguments, output: Output, prompt: str, conversation: Conversation) -> None:
        self.output = output
        self.prompt = prompt
        self.conversation = conversation
        self._arguments = arguments

    def amount(self, default: int) -> int:
        """Return the caller's number, or the default of the scenario."""
        return self._arguments.amount or default

    def pause(self) -> None:
        """Wait for the caller's `delayMs`."""
        if self._arguments.delay_s:
            time.sleep(self._arguments.delay_s)


def main() -> int:
    """Run the program and return its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["--help"]):
        sys.stdout.write(f"llm-gateway-echo {VERSION}\n" if arguments == ["--version"] else USAGE)
        return 0
    output = Output()
    try:
        _answer(Arguments(arguments), output)
    except Failed as failed:
        output.write(line(failed.event))
        output.release()
        sys.stderr.write(f"llm-gateway-echo: {failed}\n")
        return failed.exit_code
    return 0


def _answer(arguments: Arguments, output: Output) -> None:
    scenario = SCENARIOS.get(arguments.scenario)
    if scenario is None:
        raise Failed("usage", f"no scenario {arguments.scenario!r}; known: {', '.join(SCENARIOS)}", exit_code=2)
    _obey_term(arguments.on_term, output)
    try:
        prompt = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Failed("usage", f"the prompt is not UTF-8: {error.reason}", exit_code=2) from None
    arguments.check_model()
    conversation = _enter(arguments)
    if arguments.scenario in ("silent", "odd_writes"):
        output.held = bytearray()
    output.emit(
        "session",
        id=conversation.id,
        resumed=bool(arguments.resume),
        turn=len(conversation.turns) + 1,
        model=arguments.model,
        settings=arguments.settings(),
    )
    turn = Turn(arguments, output, prompt, conversation)
    if arguments.scenario != "steps":
        turn.pause()
    answer = scenario(turn)
    output.text(answer)
    output.emit("usage", **conversation.usage(prompt, answer, arguments.model))
    conversation.add(prompt, answer)
    output.emit("result", text=answer)
    output.release(*(ODD_SIZES if arguments.scenario == "odd_writes" else ()))


def _enter(arguments: Arguments) -> Conversation:
    if arguments.resume:
        conversation = Conversation(arguments.resume)
        conversation.load()
        return conversation
    conversation = Conversation(arguments.session_id or _new_id())
    conversation.begin()
    return conversation


def _new_id() -> str:
    digits = os.urandom(16).hex()  # importing `uuid` takes as long as the rest of the program
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def _obey_term(how: str, output: Output) -> None:
    if how == "exit":
        return
    import signal

    def flush(number: int, frame: object) -> None:
        output.emit("text", text="flushed: last words after SIGTERM")
        output.release()
        os._exit(143)

    signal.signal(signal.SIGTERM, flush if how == "flush" else signal.SIG_IGN)
