"""What a provider says of files: which its tools open for a caller (`opens`), and which are nobody else's business (`private_places`)."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, strategies as st

from llm_gateway import Access, GatewayError, Opened, user_home
from llm_gateway_testing.contract.provider_case import ProviderCase, bounded

WORK = "/srv/project"
#: A pattern behind a tool for files, and a path that it means.
PATTERNS = {
    "/etc/**": "/etc/passwd",
    "//etc/**": "/etc/passwd",
    "../**": "/srv/other/file",
    "src/../../**": "/srv/other/file",
    "*/../../**": "/srv/other/file",
    "~/.ssh/**": "~/.ssh/id_rsa",
    "~/.ssh/id_*": "~/.ssh/id_rsa",
    "**": f"{WORK}/file",
    "./**": f"{WORK}/file",
    "src/main.c": f"{WORK}/src/main.c",
    "[a-z]*": f"{WORK}/file",
}
_PRIVATE = re.compile(r"(\$[A-Za-z_][A-Za-z0-9_]*|~|)(/[^/]+)*")
_DEFAULT = re.compile(r"\$\{(?P<name>\w+)(:-(?P<usual>[^}]*))?\}(?P<rest>.*)")
ENTRIES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.builds("{}({})".format, st.sampled_from(["Read", "read_file", "Edit", "Bash", "x"]), st.text(max_size=30)),
)


class OpensContract(ProviderCase):
    """`ProviderInfo.opens` and `ProviderInfo.private_places`."""

    def opened(self, *entries: str) -> list[Opened] | None:
        """What the provider says of these entries of allowedTools; None: it refuses them."""
        assert self.info.opens
        try:
            return list(self.info.opens(self.request(working_dir=WORK, allowed_tools=entries)))
        except GatewayError as refusal:
            if refusal.code != "invalid_request":
                raise
            return None

    def accepts(self, entry: str) -> bool:
        """Whether a run with this entry would be started on some posture."""
        request = self.request(working_dir=WORK, allowed_tools=(entry,))
        return any(self.try_build(request, posture) is not None for posture in self.info.postures)

    @bounded
    @given(entries=st.lists(ENTRIES, min_size=1, max_size=4, unique=True))
    def test_it_says_one_thing_of_each_entry_or_refuses_it(self, entries: list[str]) -> None:
        if self.info.opens is None:
            return  # every tool counts as one that opens every file
        before = dict(os.environ)
        said = self.opened(*entries)
        if said is None:
            return  # as a request that is not valid
        assert said == self.opened(*entries), "the same request, another answer"
        assert dict(os.environ) == before
        assert sorted(one.entry for one in said) == sorted(entries), "an entry is what the caller wrote, each once"
        for one in said:
            assert not one.places or one.access in (Access.LOOK, Access.EDIT), "places belong to tools for files"
            for place in one.places:
                assert place.startswith(("/", "~")), f"{place!r} is neither absolute nor begins with ~"

    def test_the_tools_that_the_suite_knows_are_told_apart(self) -> None:
        """`file_tools` of the subclass says which tools look at files and which edit them."""
        if self.info.opens is None:
            return
        assert self.file_tools, "name the tools for files: file_tools = {'Read': Access.LOOK, 'Edit': Access.EDIT}"
        for name, access in self.file_tools.items():
            said = self.opened(name)
            assert said is not None, f"{name} is refused"
            assert said[0].access is access, f"{name} is {said[0].access.value}"

    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_a_pattern_is_held_by_the_places_that_are_told(self, pattern: str) -> None:
        """A place too small lets a policy allow what it would deny. A larger one than the pattern is allowed."""
        if self.info.opens is None:
            return
        for name in self.file_tools:
            entry = f"{name}({pattern})"
            said = self.opened(entry)
            if said is None or said[0].access not in (Access.LOOK, Access.EDIT) or not self.accepts(entry):
                continue
            places = said[0].places or (WORK,)
            assert any(_holds(place, PATTERNS[pattern]) for place in places), f"{entry}: {places}"

    def test_private_places_can_be_found(self) -> None:
        """A variable as `$NAME`, `~` or an absolute path; the gateway passes over everything else."""
        for place in self.info.private_places:
            assert _PRIVATE.fullmatch(place), f"{place!r}: write $NAME/rest, ~/rest or /rest"
            assert ".." not in place.split("/"), place

    def test_what_a_sandbox_leaves_open_for_it_is_private(self) -> None:
        """Where it keeps logins and conversations, which `own_paths` opens for its own runs, is no other run's business."""
        for path in self.info.own_paths:
            for where in _meanings(path):
                assert any(_holds(place, where) for place in self.info.private_places), (
                    f"private_places does not hold {where}, of {path}"
                )


def _meanings(path: str) -> list[str]:
    """`${NAME:-~/.name}/file` as `$NAME/file` and `~/.name/file`."""
    found = _DEFAULT.fullmatch(path)
    if found is None:
        return [path]
    return [f"${found['name']}{found['rest']}", *([found["usual"] + found["rest"]] if found["usual"] else [])]


def _holds(place: str, path: str) -> bool:
    home = user_home(os.environ, "/")
    outer, inner = (
        os.path.normpath(one.replace("~", home, 1) if one.startswith("~") else one) for one in (place, path)
    )
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
