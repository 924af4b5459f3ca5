"""Git, asked what has changed, in a repository that nobody trusts: bounded, and nothing that the repository configures is run."""

from __future__ import annotations

import os
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_gateway.errors import InvalidRequest

_TIMEOUT_S = 60.0
#: Settings that could start programs, or show other files than the repository's.
_OFF = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.untrackedCache": "false",
    "core.attributesFile": os.devnull,
    "core.quotePath": "false",
    "diff.external": "",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "diff.submodule": "short",
    "submodule.recurse": "false",
}
_FILTERS = re.compile(r"filter\..+\.(clean|smudge|process|required)", re.S)
_DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty"),
    *("--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "--find-renames"),
)


class Repository:
    """A working tree. Every method blocks: call it in a thread."""

    def __init__(self, directory: str) -> None:
        """Find it. Raises InvalidRequest where there is none, or one that lies about its place."""
        self._settings: dict[str, str] = dict(_OFF)
        self._top = Path(directory)
        if self._ask("config", "core.pager", missing=True).strip() != _OFF["core.pager"]:  # else nothing would be off
            raise InvalidRequest("git cannot be told what not to run", recovery="Install git 2.31 or newer.")
        shown = self._ask("rev-parse", "--show-toplevel").rstrip("\n")
        top, inside = Path(shown), Path(directory).resolve()
        if not shown or not (top / ".git").exists() or not inside.is_relative_to(top.resolve()):
            raise InvalidRequest(f"{directory} is not in the working tree of its git repository")
        self._top = top
        names = self._ask("config", "--name-only", "-z", "--get-regexp", r"^filter\.", missing=True).split("\0")
        # A filter is a program that git runs over changed files to compare them.
        self._settings |= {
            name: "false" if name.endswith(".required") else "" for name in names if _FILTERS.fullmatch(name)
        }

    @property
    def top(self) -> Path:
        """Its uppermost directory."""
        return self._top

    def ends_of(self, range_: str) -> tuple[str, str]:
        """The commits that a range begins and ends at; a single one is compared with the working tree, and ends nowhere."""
        if range_.startswith("-") or any(letter.isspace() for letter in range_):
            raise InvalidRequest(f"{range_!r} is no range of commits")
        commits = self._ask("rev-parse", "--revs-only", range_, "--").split()
        bases = [commit[1:] for commit in commits if commit.startswith("^")]
        heads = [commit for commit in commits if not commit.startswith("^")]
        if not heads or len(bases) > 1:
            raise InvalidRequest(f"{range_!r} names no commits here", recovery="Pass what git diff takes: main...HEAD")
        return (bases[0], heads[0]) if bases else (heads[0], "")

    def head(self) -> str:
        """The present commit; of a repository without any, the empty tree."""
        found = self._ask("rev-parse", "--verify", "--quiet", "HEAD", missing=True).strip()
        return found or self._ask("hash-object", "-t", "tree", os.devnull).strip()

    def diff(self, base: str, head: str, most_bytes: int) -> tuple[str, bool]:
        """What changed between two commits (no `head`: up to the working tree); whether it was cut."""
        return self._ask_some([*_DIFF, base, *([head] if head else []), "--"], most_bytes)

    def untracked(self) -> list[str]:
        """New files that git neither has nor ignores, relative to the top."""
        listed, _ = self._ask_some(["ls-files", "--others", "--exclude-standard", "-z"], 4_000_000)
        return [name for name in listed.split("\0")[:-1] if name]

    def _ask(self, *arguments: str, missing: bool = False) -> str:
        """A short answer; `missing`: git may know none."""
        return self._ask_some(arguments, 1_000_000, missing=missing)[0]

    def _ask_some(self, arguments: Sequence[str], most_bytes: int, *, missing: bool = False) -> tuple[str, bool]:
        command = ["git", "--no-pager", "--literal-pathspecs", *arguments]
        with tempfile.TemporaryFile() as trouble:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=self._top,
                    env=_environment(self._settings),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=trouble,
                )
            except OSError as error:
                raise InvalidRequest(f"git cannot be run in {self._top}: {error.strerror}") from None
            with process:
                try:
                    data = _read(process, most_bytes + 1)
                    if len(data) > most_bytes:
                        return data[:most_bytes].decode(errors="replace"), True
                    code = process.wait(_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    raise InvalidRequest(f"git {arguments[0]} took longer than {_TIMEOUT_S:.0f} s") from None
                finally:
                    process.kill()
            if code and not missing:
                trouble.seek(0)
                said = trouble.read(2000).decode(errors="replace").strip()
                raise InvalidRequest(f"git {arguments[0]} failed: {said}")
        return data.decode(errors="replace"), False


def _read(process: subprocess.Popen[bytes], most: int) -> bytes:
    """So many bytes of what it prints at most, in so much time."""
    assert process.stdout
    until, data = time.monotonic() + _TIMEOUT_S, bytearray()
    while len(data) < most:
        if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            raise subprocess.TimeoutExpired(process.args, _TIMEOUT_S)
        piece = os.read(process.stdout.fileno(), min(1 << 16, most - len(data)))
        if not piece:
            break
        data += piece
    return bytes(data)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without what git was told through it (a hook's GIT_DIR among it), and with settings that outrank every file."""
    kept = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in kept}
    environ |= {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    environ |= {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    for number, (name, value) in enumerate(settings.items()):
        environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environ
