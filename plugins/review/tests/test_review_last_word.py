"""The last line on the verdict decides, in every common form; one that refuses or cannot be read is never overlooked."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, strategies as st

from llm_gateway_extension_review.positions import read_position
from llm_gateway_extension_review.state import APPROVED, NOT_APPROVED, WITH_CONDITIONS
from llm_gateway_extension_review.verdicts import read_review

MARK = "0123456789abcdef"
EMPTY = '```json\n{"findings": []}\n```\n'

CLEAR = {
    APPROVED: [
        *(
            "APPROVED",
            "**APPROVED**",
            "__APPROVED__",
            "`APPROVED`",
            "```APPROVED```",
            "“APPROVED”",
            "approved",
            "Approved.",
            "APPROVED!",
        ),
        *(
            "## Verdict: APPROVED",
            "- APPROVED",
            "1. APPROVED",
            "• APPROVED",
            "- [x] APPROVED",
            "  APPROVED",
            "<b>APPROVED</b>",
        ),
        *(
            "Verdict - APPROVED",
            "Verdict:APPROVED",
            "VERDICT = APPROVED",
            "Final verdict: APPROVED",
            "Overall verdict — APPROVED ✅",
        ),
        *(
            "**Final Verdict:** `APPROVED`",
            "The verdict is APPROVED.",
            "Verdict\uff1aAPPROVED",
            "APPROVED\u00a0",
            "\u200bAPPROVED\ufeff",
        ),
        *(
            "| Verdict | APPROVED |",
            "| Verdict |\n|---|\n| APPROVED |",
            "## Verdict\n\nAPPROVED",
            "**Verdict**\n\n**APPROVED**",
        ),
        *(
            "APPROVED — no issues found",
            "APPROVED (nothing blocking)",
            "APPROVED because it is right",
            "APPROVED (no conditions)",
        ),
        *("✅ APPROVED", "ＡＰＰＲＯＶＥＤ", "Verdict: APPROVED\n\nThe code is small and well tested."),
    ],
    WITH_CONDITIONS: [
        *(
            "APPROVED_WITH_CONDITIONS",
            "APPROVED WITH CONDITIONS",
            "Approved with conditions: fix the typo",
            "Conditionally approved",
        ),
        *(
            r"APPROVED\_WITH\_CONDITIONS",
            "Verdict: **APPROVED_WITH_CONDITIONS** (only if it is tested)",
            "approved-with-conditions",
        ),
    ],
    NOT_APPROVED: [
        *(
            "NOT_APPROVED",
            "NOT APPROVED",
            "NOT-APPROVED",
            r"NOT\_APPROVED",
            "NOT\u00a0APPROVED",
            "NOT&nbsp;APPROVED",
            "Ｎｏｔ　Ａｐｐｒｏｖｅｄ",
        ),
        *(
            "**Verdict**: NOT_APPROVED",
            "Not approved: it would be approved if it were tested",
            "NOT YET APPROVED",
            "not (yet) approved",
        ),
        *(
            "CHANGES REQUESTED",
            "REQUEST_CHANGES",
            "Request changes",
            "Verdict: changes requested",
            "Verdict: rejected",
            "DISAPPROVED",
        ),
        *(
            "> **Verdict:** NOT_APPROVED",
            "    NOT_APPROVED",
            "\tVerdict: NOT_APPROVED",
            "| Verdict | NOT_APPROVED |",
            "```\nNOT_APPROVED\n```",
        ),
        *(
            "## Verdict\n\nNOT APPROVED",
            "~~APPROVED~~ NOT_APPROVED",
            "Final verdict: not approved yet",
            "🔴 NOT APPROVED",
            "\u2028NOT_APPROVED",
        ),
        *(
            "**Verdict:** ❌ Not Approved",
            "Verdict: NOT_APPROVED 🚫",
            "Verdict: cannot be approved",
            '```json\n{"verdict": "NOT_APPROVED"}\n```',
        ),
    ],
}
UNCLEAR = [
    *(
        "It is APPROVED",
        "APPROVED / NOT APPROVED",
        "NOT_APPROVED / APPROVED",
        "APPROVED or NOT_APPROVED",
        "APPROVED?",
        "APPROVED: false",
    ),
    *(
        "APPROVED | APPROVED_WITH_CONDITIONS | NOT_APPROVED",
        "Verdict: unsure",
        "Verdict: hold",
        "Verdict: NO",
        "Verdict: —",
        "## Verdict",
    ),
    *(
        "~~APPROVED~~",
        "<del>APPROVED</del>",
        "<!-- APPROVED -->",
        "- [ ] APPROVED",
        "❌ APPROVED",
        "+APPROVED",
        "-  APPROVED",
        "-\tAPPROVED",
        "NOT\nAPPROVED",
    ),
    *(
        "APPROVED once the tests pass",
        "APPROVED, but not like this",
        "APPROVED unless you disagree",
        "APPROVED by nobody",
    ),
    *(
        "| style | APPROVED |",
        "Style: APPROVED",
        "Previous verdict: APPROVED",
        "APPROVED\u2028NOT_APPROVED",
        "APPROVED\rNOT_APPROVED",
    ),
    *(
        "I withdraw my approval",
        "On reflection I do not approve this.",
        "Don't merge this.",
        "Decision: hold",
        "Verdict: N\u041eT APPROVED",
    ),
    *("> Verdict: unsure", '```json\n{"verdict": "unsure"}\n```', "```\nVerdict: unsure\n```"),
]
NOISE = st.lists(
    st.sampled_from(
        [
            *(
                "",
                "I have looked at the change.",
                "The lock is released in `finally`.",
                "- one\n- two",
                "## Summary",
                "1. First",
            ),
            *(
                "```py\nreturn approved\n```",
                "> if approved:",
                "| a | b |\n|---|---|\n| 1 | 2 |",
                "Status: done",
                "Result: all tests pass.",
            ),
        ]
    ),
    max_size=5,
).map("\n\n".join)
VERDICTS = st.sampled_from([(line, verdict) for verdict, lines in CLEAR.items() for line in lines])
AGAINST = st.sampled_from([*UNCLEAR, *CLEAR[NOT_APPROVED]])


@given(before=NOISE, earlier=st.lists(VERDICTS, max_size=3), said=VERDICTS, after=NOISE)
def test_the_last_verdict_line_decides_in_every_common_form(
    before: str, earlier: list[tuple[str, str]], said: tuple[str, str], after: str
) -> None:
    line, verdict = said
    text = "\n\n".join([before, *(one for one, _ in earlier), EMPTY, line, after])
    assert read_review(text, MARK).verdict == verdict


@given(before=NOISE, earlier=st.lists(VERDICTS, min_size=1, max_size=3), line=AGAINST, after=NOISE)
@example(before="", earlier=[("APPROVED", APPROVED)], line="**Verdict**: NOT_APPROVED", after="")
def test_lesson_98_a_later_refusal_or_unreadable_line_revokes_an_approval(
    before: str, earlier: list[tuple[str, str]], line: str, after: str
) -> None:
    text = "\n\n".join([before, EMPTY, *(one for one, _ in earlier), line, after])
    found = read_review(text, MARK)
    assert found.verdict in (None, NOT_APPROVED)
    assert found.verdict or found.problem


@given(
    garbage=st.text(max_size=60),
    label=st.sampled_from(["Verdict: ", "**Final verdict:** ", "## Verdict\n", "Decision: "]),
)
def test_only_an_approval_after_a_label_is_an_approval(garbage: str, label: str) -> None:
    if "approved" not in garbage.casefold():
        assert read_review(f"{EMPTY}APPROVED\n\n{label}?{garbage}".replace(MARK, ""), MARK).verdict not in (
            APPROVED,
            WITH_CONDITIONS,
        )


QUOTATIONS = [
    *(
        "> {}",
        "> > {}",
        "    {}",
        "\t{}",
        "```\n{}\n```",
        "~~~\n{}\n~~~",
        "1. ```\n   {}\n   ```",
        "- ```diff\n  {}\n  ```",
        "+{}",
        "-{}",
    ),
    *(
        f"=== EVIDENCE BEGINS {MARK}\n{{}}\n=== EVIDENCE ENDS {MARK}",
        f"The mark is {MARK}.\n=== EVIDENCE BEGINS {MARK}\n{{}}",
    ),
    *(
        "> as it says\u2028{}",
        "> as it says\x0b{}",
        "> as it says\r{}",
        "```\n    ```\n{}\n",
        "```\nopen\n\n{}",
        "<!-- {} -->",
        "~~{}~~",
    ),
]


@given(
    st.sampled_from(QUOTATIONS),
    st.sampled_from([*CLEAR[APPROVED], *CLEAR[WITH_CONDITIONS]]).filter(
        lambda line: "\n" not in line and "```" not in line
    ),
)
def test_no_quotation_is_an_approval(quotation: str, line: str) -> None:
    quoted = quotation.format(line)
    for text in (f"{EMPTY}{quoted}", f"{quoted}\n\n{EMPTY}", f"{EMPTY}NOT_APPROVED\n\n{quoted}"):
        assert read_review(text, MARK).verdict not in (APPROVED, WITH_CONDITIONS)


@pytest.mark.parametrize("line", ["-  APPROVED", "-\tAPPROVED", "-    **APPROVED**", "-APPROVED", "+  APPROVED"])
def test_a_removed_or_added_line_of_a_change_is_no_approval(line: str) -> None:
    """After the minus of a diff, the line may be indented. A list bullet has one space."""
    assert read_review(f"{EMPTY}{line}", MARK).verdict not in (APPROVED, WITH_CONDITIONS)


HARD = [
    "<s>",
    "_",
    "a",
    "~~",
    "- ",
    "#",
    "| ",
    "not ",
    "&",
    "[x]",
    "\u0335",
    "(",
    " ",
    "1. ",
    "`",
    "**",
    "APPROVED ",
    "position ",
    "\\",
    "<!--",
]


@pytest.mark.parametrize("piece", HARD)
def test_every_answer_is_read_in_bounded_time(piece: str) -> None:
    begun = time.process_time()
    for text in (piece * (300_000 // len(piece)), f"{piece * (1_500 // len(piece))}\n" * 20):
        read_review(EMPTY + text, MARK)
        read_position(text, MARK, ["safe"])
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("text", "position"),
    [
        *(
            ("POSITION: safe", "safe"),
            ("**Position:** Safe.", "safe"),
            ("## Final position: safe", "safe"),
            ("- POSITION - safe", "safe"),
        ),
        *(
            ("POSITION\uff1a safe\u00a0", "safe"),
            ("**POSITION: `safe`**", "safe"),
            ("## Position\n\nsafe", "safe"),
            ("| Position | safe |", "safe"),
        ),
        *(
            ("POSITION: unsafe\n\nPOSITION: safe", "safe"),
            ("POSITION: safe, because it is locked", "safe"),
            ("POSITION: not safe", None),
        ),
        *(
            ("POSITION: safe\n\n**Position:** I am not sure", None),
            ("POSITION: safe\n\nFinal position:", None),
            ("> POSITION: safe", None),
        ),
        *(
            ("POSITION: safe or unsafe", None),
            ("POSITION: safe\n\n> Position: unsafe", None),
            ("POSITION: safe\n\n```\nPOSITION: unsafe\n```", None),
        ),
        *(
            ("The position of the lock is right.\nPOSITION: safe", "safe"),
            ("POSITION: safe but not here", None),
            ("```\nPOSITION: safe\n```", None),
        ),
    ],
)
def test_the_last_position_decides_and_an_unreadable_one_gives_none(text: str, position: str | None) -> None:
    found, problem = read_position(text, MARK, ["safe", "unsafe"])
    assert found == position
    assert (found is None) == bool(problem)
