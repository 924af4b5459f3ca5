"""Removing secrets from text: known values first, then patterns. Linear in the size of the text, whatever its content.

No pattern here may look at a character more than a fixed number of times: each begins with a fixed word or takes a whole run of
characters at once, and none has two open ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

GONE = "[redacted]"
#: Shorter values stand in any text.
_LEAST = 8
#: What is kept of each end of a long text, in characters.
KEPT = 100_000
#: More than any single secret but a private key, which is known by its first line.
_MARGIN = 8_192

#: Beginnings of known kinds of key, and names of secrets. A text without any of them is not searched further.
_BEGINNINGS = (
    *(
        "sk-",
        "sk_live_",
        "sk_test_",
        "rk_live_",
        "pk_live_",
        "xai-",
        "gsk_",
        "hf_",
        "glpat-",
        "github_pat_",
        "npm_",
        "pypi-",
    ),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"),
    *("AIza", "ya29.", "AKIA", "ASIA", "eyJ", "SG.", "dop_v1_", "shpat_"),
)
_NAMES = ("pass", "secret", "token", "key", "credential", "authorization")
_LOOKS = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, _BEGINNINGS))})[A-Za-z0-9_\-+/=.]{{12,}}")
_NAMED = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)"
    r"[\"']?[ \t]{0,8}[:=][ \t]{0,8}(?:bearer[ \t]{1,8}|basic[ \t]{1,8})?[\"']?)([^\s\"',;]{6,})"
)
_URL = re.compile(r"(://[^\s/:@]{1,256}:)[^\s/@]{1,256}@")
_BEGIN, _END = "-----BEGIN", "-----END"


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets."""
    # Longest first: one may be the beginning of another.
    for secret in sorted({value for value in secrets if len(value) >= _LEAST}, key=len, reverse=True):
        text = text.replace(secret, GONE)
    text = _without_keys(text)
    if "://" in text:
        text = _URL.sub(rf"\1{GONE}@", text)
    lower = text.lower()
    if any(name in lower for name in _NAMES):
        text = _NAMED.sub(rf"\1{GONE}", text)
    if any(beginning in text for beginning in _BEGINNINGS):
        text = _LOOKS.sub(GONE, text)
    return text


def cut(text: str, clean: Callable[[str], str]) -> str:
    """Clean what is kept of a text: both ends of a long one. No secret is cut in two before it is seen whole."""
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text to those who read records
    if len(text) <= 2 * KEPT:
        return clean(text)
    head = clean(text[: KEPT + _MARGIN])[:KEPT]
    tail = clean(text[-(KEPT + _MARGIN) :])[-KEPT:]
    return f"{head}\n[{len(text) - 2 * KEPT:,} characters are not kept]\n{tail}"


def _without_keys(text: str) -> str:
    """Remove private keys; one without an end extends to the end of the text."""
    parts, at = [], 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        line = text[begin : begin + 64]
        if "PRIVATE KEY" not in line:
            parts.append(text[at : begin + len(_BEGIN)])
            at = begin + len(_BEGIN)
            continue
        parts += [text[at:begin], GONE]
        end = text.find(_END, begin)
        stop = text.find("-----", end + len(_END)) if end >= 0 else -1
        at = stop + 5 if stop >= 0 else len(text)
    return "".join([*parts, text[at:]])
