"""Read the verdict in one line: strict for approvals, tolerant for refusals.

A line is an approval only in an unambiguous form, and a refusal in any common form. Every other line about the verdict is UNCLEAR,
and if the last line about it is unclear, the review is undecided.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

from llm_gateway_extension_review.state import APPROVED, NOT_APPROVED, WITH_CONDITIONS

UNCLEAR = "UNCLEAR"  #: the line is about the verdict, but not readable
_LONGEST = 1_500  #: characters of a line that is parsed

_LABEL = re.compile(
    r"^(?:(?:THE|MY|OUR|THIS|(?P<last>FINAL|OVERALL)|REVIEW|REVIEWER S|REVISED|UPDATED|NEW|CORRECTED|SUMMARY)\W+)*"
    r"(?:(?P<sure>VERDICT|DECISION|JUDGE?MENT)|CONCLUSION|RECOMMENDATION|OUTCOME|ASSESSMENT|RESULT|STATUS)\b"
    r"(?:\W+FINAL\b)?(?:\W+(?:IS|REMAINS|STAYS)\b)?"
)
_NOT_APPROVED = re.compile(
    r"^(?:(?:NOT|NOT\W+YET|NEVER|CANNOT BE|CAN NOT BE|CAN T BE|STILL NOT|NO LONGER|MUST NOT BE|SHOULD NOT BE)\W*APPROVED"
    r"|(?:NON|UN|DIS)\W?APPROVED|NO APPROVAL|NOT APPROVING)\b"
)
#: Other forms of a refusal. They can also begin ordinary sentences.
_REFUSED = re.compile(
    r"^(?:CHANGES? (?:ARE )?(?:REQUESTED|REQUIRED|NEEDED)|(?:REQUEST|REQUESTS|REQUESTED|REQUESTING|REQUIRES|NEEDS) CHANGES?"
    r"|NEEDS WORK|DISAPPROVE|NACK|REJECT|REJECTED|DENIED|DECLINED|DO NOT MERGE)\b"
)
_CONDITIONS = re.compile(
    r"^(?:APPROVED WITH (?:\w+ )?CONDITIONS?|CONDITIONALLY APPROVED|CONDITIONAL APPROVAL|APPROVED CONDITIONALLY)\b"
)
_YES = re.compile(r"^APPROVED\b")
#: A second verdict on the same line contradicts the first one.
_SECOND = re.compile(
    r"APPROV|\bREJECT\w*|\bVERDICT|\bWITHDR\w*|\bRETRACT\w*|\bREVOK\w*|\bRESCIND\w*|CHANGES? REQ|\bREQUEST\w* CHANGE"
)
_RESERVATION = re.compile(
    r"^\W*(?:NOT|NEVER|FALSE|NO\W*$|IF|ONCE|WHEN|AFTER|UNTIL|ONLY|AS SOON|AS LONG|ASSUMING|THOUGH|ALTHOUGH|CONTINGENT|EXCLUDING)\b"
    r"|\b(?:BUT|UNLESS|PROVIDED|PROVIDING|EXCEPT|HOWEVER|PENDING|SUBJECT TO|CONDITION\w*|ONLY (?:IF|WHEN|ONCE|AFTER))\b"
)
_NO_CONDITIONS = re.compile(r"\b(?:WITHOUT|NO)(?: ANY| FURTHER)? (?:CONDITIONS?|RESERVATIONS?)\b")
#: The word must be followed by punctuation that ends it, or by one of these.
_REASON = re.compile(
    r"^(?:\W*$|\s*[^\w\s]|\s+(?:BECAUSE|SINCE|OVERALL|AS IS|AS IT IS|FOR MERG\w+|WITHOUT|NO CONDITIONS))"
)
_DOUBTFUL = re.compile(
    r"\[ ?\]|[?☐✗✘✖❌❎⛔🚫👎⊘\u202a-\u202e\u2066-\u2069]|~~|<\s*(?:DEL|S|STRIKE|!--)\b|<!--|[\u0335-\u0338]"
)
_STRUCK = re.compile(r"~~.*?~~|<(del|s|strike)\b[^>]*>.*?</\1>|<!--.*?-->", re.I | re.S)
_MENTION = re.compile(
    r"APPROV|\bVERDICTS?\b|\bREJECT\w*|\bWITHDR\w*|\bRETRACT\w*|\bREVOK\w*|\bRESCIND\w*|\bNACK\b|CHANGES? REQUESTED|REQUEST\w* CHANGES"
    r"|\b(?:NOT|T|NEVER)(?: BE)? MERGED?\b"
)
_ITEM = re.compile(r"^(?:[\s>#*|•·–—-]|\d{1,9}[.)](?=\s))+")
#: A line of a change that a reviewer did not quote. A minus is a list bullet only with exactly one space after it.
_UNQUOTED_DIFF = re.compile(r"^\s*(?:\+|-(?! \S))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The verdict that a line states."""

    verdict: str  #: one of the three verdicts, or UNCLEAR
    mention: bool = False  #: the line is a sentence that only contains a verdict


def read_line(line: str) -> Said | None:
    """Read one line of an answer; None: it is not about the verdict."""
    if len(line) > _LONGEST:  # no verdict is that long, but a comment on one may be
        return Said(verdict=UNCLEAR, mention=True) if _MENTION.search(line.upper()) else None
    struck = _STRUCK.sub(" ", line)
    shown = _plain(line)
    words = _words(_plain(struck))
    found = _read_words(words, doubtful=_DOUBTFUL.search(shown.upper()) is not None)
    if found is not None and found.verdict in (APPROVED, WITH_CONDITIONS) and _UNQUOTED_DIFF.match(line):
        return Said(verdict=UNCLEAR)  # a line of a diff, not an item of a list
    if found is None and struck != line and _MENTION.search(_words(shown)):
        return Said(verdict=UNCLEAR)  # the verdict was crossed out
    return found


def _read_words(words: str, *, doubtful: bool) -> Said | None:
    label = _LABEL.match(words)
    value = re.sub(r"^\W+", "", words[label.end() :]) if label else words
    sure = label is not None and (label["sure"] is not None or label["last"] is not None)
    if refusal := _NOT_APPROVED.match(value):
        return Said(verdict=UNCLEAR if _offers_choice(value[refusal.end() :]) else NOT_APPROVED)
    refusal = _REFUSED.match(value)
    if refusal and (label or _REASON.match(value[refusal.end() :])):
        return Said(verdict=UNCLEAR if _offers_choice(value[refusal.end() :]) else NOT_APPROVED)
    for form, verdict in ((_CONDITIONS, WITH_CONDITIONS), (_YES, APPROVED)):
        if approval := form.match(value):
            clear = not doubtful and _goes_with(verdict, value[approval.end() :])
            return Said(verdict=verdict if clear else UNCLEAR)
    if sure:
        return Said(verdict=UNCLEAR)
    return Said(verdict=UNCLEAR, mention=True) if _MENTION.search(words) else None


def _offers_choice(rest: str) -> bool:
    """Return whether an approval follows a refusal, as in NOT_APPROVED / APPROVED."""
    return re.match(r"\W*(?:(?:OR|AND|NOW|BUT)\W+)?APPROVED\b", rest) is not None


def _goes_with(verdict: str, rest: str) -> bool:
    """Return whether the rest of the line after an approval does not contradict it."""
    rest = _NO_CONDITIONS.sub("WITHOUT", rest)
    if not _REASON.match(rest) or _SECOND.search(rest):
        return False
    if verdict == WITH_CONDITIONS:  # its reasons are conditions, which contain `if` and `but`
        return re.match(r"\W*(?:NOT|NEVER|FALSE|NO\W*$)\b", rest) is None
    return _RESERVATION.search(rest) is None


def _plain(line: str) -> str:
    """Return a line without entities, invisible characters and unusual spaces; full-width characters become ASCII."""
    text = unicodedata.normalize("NFKC", html.unescape(line))
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf" or letter in "\u202e\u202d")
    return re.sub(r"\s+", " ", text)


def _words(line: str) -> str:
    """Return the words in upper case with punctuation, without Markdown, tags and list bullets."""
    text = re.sub(r"</?[A-Za-z][^<>]*>", " ", line)
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    text = re.sub(r"[*_`\\#]+|\[X\]", " ", text.upper())
    text = re.sub(r"(?<=\w)['’](?=\w)|(?<=\w)-(?=\w)", " ", text)
    text = re.sub(r"\s+", " ", text).strip()
    text = _ITEM.sub("", text)
    return re.sub(r"^[^\w]+(?=\w)", "", text).strip()
