from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from llm_gateway_provider_grok.outside import LONGEST, patterns_outside

#: Grok's patterns, as its manual has them: `*` and `?` match within a name, `**` matches any number of names.
GLOB = {"/**": "/.+", "*": "[^/]*", "?": "[^/]"}
NAMES = st.text(st.sampled_from("ab.- {ü"), min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
DIRECTORIES = PATHS.map(lambda path: path.replace("{", "c"))


def matches(pattern: str, path: str) -> bool:
    pieces = re.findall(r"/\*\*|\[!.\]|.", pattern, re.DOTALL)
    made = "".join(
        GLOB.get(piece) or (f"[^{re.escape(piece[2])}/]" if piece.startswith("[!") else re.escape(piece))
        for piece in pieces
    )
    return bool(re.fullmatch(made, path, re.DOTALL))


def denied(directory: str, path: str) -> bool:
    return any(matches(pattern, path) for pattern in patterns_outside(directory))


def is_inside(directory: str, path: str) -> bool:
    return path.startswith(f"{directory}/")


@given(directory=DIRECTORIES, path=PATHS)
def test_every_path_is_inside_or_denied_except_the_parents(directory: str, path: str) -> None:
    on_the_way = f"{directory}/".startswith(f"{path}/")
    assert denied(directory, path) == (not is_inside(directory, path) and not on_the_way)


@given(directory=PATHS, name=PATHS)
def test_no_path_inside_is_denied_with_any_characters(directory: str, name: str) -> None:
    assert not denied(directory, directory + name)


@pytest.mark.parametrize("path", ["~/x", "~", "~other/a/b"])
def test_the_tilde_form_of_the_home_is_outside(path: str) -> None:
    assert denied("/home/me/project", path)


def test_a_usual_path_has_few_rules_and_a_very_long_one_none() -> None:
    assert len(list(patterns_outside("/home/somebody/projects/website"))) < 150
    assert list(patterns_outside("/" + "x" * LONGEST)) == []
