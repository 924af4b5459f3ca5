"""What the models behind the agents say in the picture. The agents are real; this is the only part that is written for it."""

from __future__ import annotations

import json
from typing import Any

from llm_gateway_extension_verify.loopback.behaviour import Action, Conversation, Model

BEFORE = '''\
"""Charge a card."""


def charge(send, card, cents):
    """Send the charge."""
    return send({"card": card, "cents": cents})
'''
CHANGED = '''\
"""Charge a card."""

import time


def charge(send, card, cents, times=3):
    """Send the charge, again when the network fails."""
    for attempt in range(times):
        try:
            return send({"card": card, "cents": cents})
        except OSError:
            time.sleep(2**attempt)
'''
MENDED = '''\
"""Charge a card."""

import time
import uuid


def charge(send, card, cents, times=3):
    """Send the charge, again when the network fails; the bank sees one payment."""
    order = {"card": card, "cents": cents, "idempotency_key": str(uuid.uuid4())}
    for attempt in range(times):
        try:
            return send(order)
        except OSError:
            if attempt + 1 == times:
                raise
            time.sleep(2**attempt)
'''

TWICE = {
    "file": "pay.py",
    "line": 10,
    "severity": "high",
    "cause": "repeated payment",
    "title": "A lost answer charges the card twice",
    "detail": "OSError also covers a lost answer: the charge may have been made when it is sent again.",
    "suggestion": "Send one idempotency key with every attempt.",
}
LOST = {
    "file": "pay.py",
    "line": 12,
    "severity": "medium",
    "cause": "lost error",
    "title": "The last error is lost: charge() returns None",
    "detail": "The loop ends without raising, so that the caller takes a failed charge for one without a receipt.",
    "suggestion": "Raise when the last attempt has failed.",
}


def _review(words: str, verdict: str, *findings: dict[str, Any]) -> str:
    return f"{words}\n\n```json\n{json.dumps({'findings': findings}, indent=1)}\n```\n\n{verdict}"


def _shell(command: str) -> tuple[str, dict[str, Any]]:
    words = json.dumps({"cmd": command})
    return "exec", {"input": f"const r = await tools.exec_command({words}); text(r.output)"}


#: by the beginning of the model's name: the tool that it reads the file with, how long it thinks, and its two reviews
_REVIEWERS = {
    "gpt": (
        _shell("nl -ba pay.py"),
        2.5,
        _review("The retry repeats a payment, and loses the last error.", "NOT_APPROVED", TWICE, LOST),
        _review("One key for all attempts, and the last error is raised. Both are mended.", "APPROVED"),
    ),
    "gemini": (
        ("read_file", {"file_path": "pay.py"}),
        1.5,
        _review("The loop can end without an answer.", "APPROVED_WITH_CONDITIONS", LOST),
        _review("The last error reaches the caller now.", "APPROVED"),
    ),
    "grok": (
        ("read_file", {"target_file": "pay.py"}),
        3.5,
        _review("A payment must not be sent twice.", "NOT_APPROVED", TWICE),
        _review("The bank can tell a repeated attempt from a new payment.", "APPROVED"),
    ),
}


class Reviewers(Model):
    """Reviewers who find what is wrong, and one who mends it."""

    def act(self, talk: Conversation) -> Action:
        """Decide by who asks, what for, and how far he has come."""
        prompt, step = talk.words[-1], len(talk.results)
        if "Reviewers have looked at a change" in prompt:
            calls = [("Read", {"file_path": "pay.py"}), ("Write", {"file_path": "pay.py", "content": MENDED})]
            words = ["I look at the file first.", "One key for all attempts, and the last error is raised.", "Mended."]
            name, arguments = (*calls, (None, {}))[step]
            return Action(text=words[step], tool=name, arguments=arguments, seconds=1.0)
        mine = [told for name, told in _REVIEWERS.items() if talk.model.startswith(name)]
        if not mine or "You are one of several reviewers" not in "".join(talk.words):
            return super().act(talk)
        (tool, arguments), seconds, first, second = mine[0]
        if step == 0:
            return Action(text="I read the file around the change.", tool=tool, arguments=arguments, seconds=1.0)
        return Action(text=second if "This is round 2" in prompt else first, seconds=seconds)
