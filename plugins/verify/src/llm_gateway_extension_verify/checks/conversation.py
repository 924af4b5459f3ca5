"""The program answers, continues a conversation, takes a prompt as text and counts tokens as the service does."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from llm_gateway import Loopback, ProviderInfo
from llm_gateway_extension_verify.checks.check import Breach, Check, Differs, completed
from llm_gateway_extension_verify.surroundings import Surroundings

WORDS = "größer 日本語"
CANARY = "canary-7391"
#: What some program takes for an option, a command of its own, a file to read or a shell command.
PROMPTS = ("-p --version and @canary.txt", "/help", "!cat canary.txt")


async def answers(around: Surroundings) -> None:
    """The model's answer arrives whole."""
    with around.seen() as asked:
        answer = completed(await around.ask(f"SAY:{WORDS}"))
    if answer["text"] != WORDS:
        raise Differs(f"the service answered {WORDS!r}, the reply is {answer['text'][:200]!r}")
    around.found["turns"] = [(answer, asked)]


async def resumes(around: Surroundings) -> None:
    """A second and a third turn know the first."""
    if "turns" not in around.found:
        await answers(around)
    turns: list[tuple[dict[str, Any], list[dict[str, Any]]]] = around.found["turns"]
    first = turns[0][0]
    if not first.get("sessionId"):
        raise Differs("the program's output names no conversation")
    for number in (1, 2):
        with around.seen() as asked:
            answer = completed(await around.ask("HISTORY", sessionId=first["gatewaySessionId"]))
        turns.append((answer, asked))
        if f"SAY:{WORDS}" not in answer["text"]:
            raise Differs(f"turn {number + 1} does not know the first one; the model saw {answer['text'][:200]!r}")
        if answer.get("sessionId") != first["sessionId"]:
            raise Differs(
                f"turn {number + 1} is in the conversation {answer.get('sessionId')}, not {first['sessionId']}"
            )


async def refuses_unknown(around: Surroundings) -> None:
    """A conversation that does not exist is refused with `session_not_found`, and no new one begins."""
    if "turns" not in around.found:
        await answers(around)
    unknown = _other_id(around.found["turns"][0][0]["sessionId"])
    if not re.fullmatch(around.info.native_id_pattern, unknown):
        raise Differs(f"{unknown} is no id by the plugin's pattern, though it has the form of the program's own")
    with around.seen() as asked:
        answer = await around.ask("SAY:lost", sessionId=unknown)
    code = answer.get("error", {}).get("code")
    if answer["status"] == "completed":
        raise Differs(f"an unknown conversation was answered: {answer['text'][:100]!r}")
    if code not in ("session_not_found", "session_not_resumable"):
        raise Differs(f"an unknown conversation ended as {code}, not session_not_found")
    if any("words" in entry for entry in asked):
        raise Differs("the model was asked in an unknown conversation")


def _other_id(native_id: str) -> str:
    """Return an id of the same form that no conversation has: the last eight hexadecimal digits are replaced."""
    digits = iter("0d15ea5e")
    kept = list(native_id)
    for index in reversed([at for at, char in enumerate(native_id) if char in "0123456789abcdef"][-8:]):
        kept[index] = next(digits)
    return "".join(kept)


async def takes_text(around: Surroundings) -> None:
    """A prompt reaches the model as text, whatever it begins with. A file that goes with it is reported by a warning."""
    work = around.folder("text")
    (work / "canary.txt").write_text(CANARY)
    for prompt in PROMPTS:
        with around.seen() as asked:
            answer = await around.ask(f"{prompt}\nSAY:as text", workingDir=str(work))
        if not answer.get("warnings") and any(CANARY in str(entry.get("body")) for entry in asked):
            raise Breach(f"the prompt {prompt!r} made the program send the content of a file")
        completed(answer)
        if answer["text"] != "as text":
            raise Differs(f"the prompt {prompt!r} was answered with {answer['text'][:100]!r}")
        words = [str(entry["words"]) for entry in asked if "words" in entry]
        if not any(_plain(prompt) in _plain(said) for said in words):
            raise Differs(f"the prompt {prompt!r} did not reach the model; it read {words[:1]!r}")


def _plain(text: str) -> str:
    """Return a text without what a plugin may add so that nothing in it is a command: backslashes and invisible characters."""
    return "".join(char for char in text if char != "\\" and unicodedata.category(char) not in ("Cf", "Zs", "Cc"))


async def counts(around: Surroundings) -> None:
    """The tokens of each turn are those that the service counted."""
    if len(around.found.get("turns", ())) < 3:
        around.found.pop("turns", None)
        await (resumes(around) if "sessionId" in around.info.supports else answers(around))
    for number, (answer, asked) in enumerate(around.found["turns"], 1):
        entries = [entry["usage"] for entry in asked if entry.get("usage") and "words" in entry]
        served = tuple(map(sum, zip(*map(served_tokens, entries), strict=True)))
        usage = answer.get("usage", {})
        written = usage.get("cacheCreationTokens") or 0
        told = (usage.get("cacheReadTokens") or 0, (usage.get("inputTokens") or 0) + written, usage.get("outputTokens"))
        if told != served:
            raise Differs(
                f"turn {number}: cache reads, other input and output are {told}; the service counted {served}"
            )


def served_tokens(usage: dict[str, Any]) -> tuple[int, int, int]:
    """Return the tokens that a request read from the cache, all others that went in, and those that came out."""
    if "promptTokenCount" in usage:
        read = usage.get("cachedContentTokenCount", 0)
        return read, usage["promptTokenCount"] - read, usage["candidatesTokenCount"]
    if "prompt_tokens" in usage:
        read = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        return read, usage["prompt_tokens"] - read, usage["completion_tokens"]
    if "input_tokens_details" in usage:
        read = usage["input_tokens_details"]["cached_tokens"]
        return read, usage["input_tokens"] - read, usage["output_tokens"]
    read = usage["cache_read_input_tokens"]
    return read, usage["input_tokens"] + usage["cache_creation_input_tokens"], usage["output_tokens"]


def _no_sessions(info: ProviderInfo, loopback: Loopback) -> str:
    return "" if "sessionId" in info.supports else "its plugin declares no conversations that can be continued"


CHECKS = [
    Check(id="answer", summary="The model's answer arrives whole.", run=answers, quick=True),
    Check(
        id="prompt-as-text",
        summary="A prompt reaches the model as text, whatever it begins with, and no file with it.",
        run=takes_text,
    ),
    Check(
        id="resume",
        summary="A conversation is continued under the same id.",
        run=resumes,
        unless=_no_sessions,
        quick=True,
    ),
    Check(
        id="resume-unknown",
        summary="An unknown conversation is refused, and no new one begins.",
        run=refuses_unknown,
        unless=_no_sessions,
    ),
    Check(id="usage", summary="The tokens of three turns are those that the service counted.", run=counts, quick=True),
]
