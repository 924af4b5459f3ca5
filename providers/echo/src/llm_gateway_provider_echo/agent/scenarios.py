"""How the program behaves: as a correct agent, or with a fault that a test of the gateway needs.

A scenario is a function of the turn. It prints the events before the answer and returns the answer, or raises Failed.
`turn.amount(n)` is the caller's number, or n.
"""

from __future__ import annotations

import os
import sys
import time

from llm_gateway_provider_echo.agent.events import Failed, line, write_all

TYPE_CHECKING = False  # importing typing takes longer than the rest of this program
if TYPE_CHECKING:
    from collections.abc import Callable

    from llm_gateway_provider_echo.agent.turn import Turn

ODD_SIZES = (1, 7, 4093, 2, 61, 8191, 5, 1021)  #: bytes; they cut characters and lines at many positions
LETTERS = "QWxsIHdvcmsgYW5kIG5vIHBsYXk5"  #: like base64: one word without a space
NOISE = "warning: error 429 rate limit, 401 not logged in: just noise, nothing happened\n"


def echo(turn: Turn) -> str:
    """Answer with the prompt."""
    return f"echo: {turn.prompt}"


def steps(turn: Turn) -> str:
    """Print a tool and a text event in each of `amount` (3) steps, `delayMs` apart; then answer."""
    count = turn.amount(3)
    for number in range(1, count + 1):
        turn.output.emit("tool", name="Read", detail=f"file {number} of {count}")
        turn.output.emit("text", text=f"step {number} of {count}")
        turn.pause()
    return echo(turn)


def recall(turn: Turn) -> str:
    """Answer with the earlier prompts of the conversation, one a line."""
    return "\n".join(prompt for prompt, _ in turn.conversation.turns) or "(nothing was said before)"


def environment(turn: Turn) -> str:
    """Answer with the names of all environment variables and the values of those named in the prompt, as JSON."""
    import json

    shown = {name: os.environ[name] for name in turn.prompt.split() if name in os.environ}
    return json.dumps({"names": sorted(os.environ), "values": shown})


def silent(turn: Turn) -> str:
    """Print everything at the end, after `delayMs`."""
    return echo(turn)


def noisy(turn: Turn) -> str:
    """Write `amount` (100) lines that look like errors to stderr, and answer normally."""
    write_all(2, NOISE.encode() * turn.amount(100))
    return echo(turn)


def flood(turn: Turn) -> str:
    """Write at least `amount` bytes (100 million) of text events, then a short answer."""
    size = turn.amount(100_000_000)
    event = line({"type": "text", "text": "flood " * 1360})
    blocks, rest = divmod(-(-size // len(event)), 128)
    block = event * 128
    for _ in range(blocks):
        turn.output.write(block)
    turn.output.write(event * rest)
    return f"flood: {size} bytes"


def long_line(turn: Turn) -> str:
    """Answer with one line of `amount` letters (10 million) without a space."""
    size = turn.amount(10_000_000)
    return (LETTERS * (size // len(LETTERS) + 1))[:size]


def odd_writes(turn: Turn) -> str:
    """Answer with `amount` characters (100,000) of three bytes, written in pieces that cut them."""
    size = turn.amount(100_000)
    return ("€漢ก" * (size // 3 + 1))[:size]


def hang(turn: Turn) -> str:
    """Print nothing more and do not exit."""
    while True:
        time.sleep(3600)


def detach(turn: Turn) -> str:
    """Leave a process in a new session that ignores SIGTERM and writes events for `amount` (60) seconds."""
    child = os.fork()
    if child:
        turn.output.emit("tool", name="Detach", detail=f"pid {child}")
        return f"detached: {child}"
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setsid()
    try:
        for number in range(turn.amount(60) * 20):
            write_all(1, line({"type": "text", "text": f"still here {number}"}))
            time.sleep(0.05)
    finally:
        os._exit(0)


def empty(turn: Turn) -> str:
    """Exit with 0 and an empty answer."""
    return ""


def garbage(turn: Turn) -> str:
    """Print bytes that are not events, and exit with 0."""
    turn.output.write(b'\xff\xfe\x00<html>502</html>\n{"type": "resu\n[1, 2]\n' * turn.amount(1))
    raise SystemExit(0)


def crash(turn: Turn) -> str:
    """Exit with a message on stderr and exit code 3."""
    sys.stderr.write("fatal: the echo died away\n")
    raise SystemExit(3)


def crash_after_text(turn: Turn) -> str:
    """Print text, then exit with code 3."""
    turn.output.text(echo(turn))
    return crash(turn)


def auth(turn: Turn) -> str:
    """Fail because there is no login."""
    raise Failed("auth", "not logged in")


def quota(turn: Turn) -> str:
    """Fail because the quota is used up for `amount` (3600) seconds."""
    reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + turn.amount(3600)))
    raise Failed("quota", "you have used up your quota", resetAt=reset)


def overloaded(turn: Turn) -> str:
    """Fail because the service is overloaded."""
    raise Failed("overloaded", "the service is overloaded")


def tool_denied(turn: Turn) -> str:
    """Fail because a tool was denied."""
    turn.output.emit("tool", name="Bash", detail="rm -rf build")
    raise Failed("tool_denied", "the tool Bash was denied")


def error_exit0(turn: Turn) -> str:
    """Print an error event and exit with 0."""
    raise Failed("internal", "something went wrong inside", exit_code=0)


#: The scenarios by name, for `--scenario`. `bad_model` fails as an unknown `--model` does.
SCENARIOS: dict[str, Callable[[Turn], str]] = {
    **{run.__name__: run for run in (echo, steps, recall, silent, noisy, flood, long_line, odd_writes, hang, detach)},
    **{run.__name__: run for run in (empty, garbage, crash, crash_after_text, auth, quota, overloaded, tool_denied)},
    "env": environment,
    "bad_model": echo,
    "error_exit0": error_exit0,
}
