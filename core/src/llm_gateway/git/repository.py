"""Run git in a repository: with limits on time and output, with a safe configuration, and without running other programs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import ENOENT

from llm_gateway.files import read_regular
from llm_gateway.git.discovery import GitError, Place, find_place
from llm_gateway.git.process import find_git, run_git

#: Environment variables that git needs. None of them contains a login.
_PASSED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "DEVELOPER_DIR")
#: These settings override every configuration file, the user's included.
_SETTINGS = {
    "core.attributesFile": os.devnull,
    "core.askPass": "true",
    "core.editor": "true",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.quotePath": "false",
    "core.sshCommand": "false",
    "core.untrackedCache": "false",
    "credential.helper": "",
    "diff.autoRefreshIndex": "false",
    "diff.ignoreSubmodules": "dirty",
    "diff.mnemonicPrefix": "false",
    "diff.noprefix": "false",
    "diff.submodule": "short",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "status.submoduleSummary": "false",
    "submodule.recurse": "false",
}
#: Settings that are copied from the configuration of the repository or the user. They describe files and never name programs.
_HARMLESS = ("autocrlf", "eol", "filemode", "ignorecase", "precomposeunicode", "safecrlf", "symlinks")
_MAX_CONFIG = 1024 * 1024
#: The name of a remote or reference, or a refspec. Never an address.
_UPSTREAM = re.compile(r"\.|[\w.-]+|\+?refs/[^\s:]+(?::refs/[^\s:]+)?")
_DEFAULT_TIMEOUT_S = 60.0
#: The files of the repository that are linked into the private `GIT_DIR`. `info/attributes` and `refs/replace` are not.
_LINKED = ("objects", "refs", "packed-refs", "shallow", "logs")


#: The files of an empty repository. Its attributes make git treat all files as text.
_SCRATCH = {
    "HEAD": "ref: refs/heads/main\n",
    "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    "info/attributes": "* diff\n",
}


class Repository:
    """An open repository. Every method blocks. Created by `open_repository` and `open_scratch`."""

    def __init__(self, place: Place, program: str, private: str, environ: Mapping[str, str]) -> None:
        self.place = place
        self._program = program
        self._environment = _environment(place, private, environ)
        if place.git_dir == private:  # a scratch repository has no working tree
            del self._environment["GIT_WORK_TREE"]
        self._settings = dict(_SETTINGS)

    @property
    def top(self) -> str:
        """The top directory of the working tree. The path contains no symlinks."""
        return self.place.top

    def run(
        self,
        arguments: Sequence[str],
        *,
        most_bytes: int,
        timeout_s: float = _DEFAULT_TIMEOUT_S,
        codes: Sequence[int] = (0,),
        data: bytes = b"",
    ) -> bytes:
        """Run git in the top directory and return its stdout.

        :param arguments: such as `["ls-files", "-z"]`. Paths are literal, not patterns.
        :param codes: the exit codes that mean success.
        :param data: the standard input of git.

        Raises GitError if git prints more than `most_bytes`, takes longer than `timeout_s`, or exits with another code.
        """
        data, cut = self.run_cut(arguments, most_bytes=most_bytes, timeout_s=timeout_s, codes=codes, data=data)
        if cut:
            raise GitError(f"git {arguments[0]} printed more than {most_bytes:,} bytes")
        return data

    def run_cut(
        self,
        arguments: Sequence[str],
        *,
        most_bytes: int,
        timeout_s: float = _DEFAULT_TIMEOUT_S,
        codes: Sequence[int] = (0,),
        data: bytes = b"",
    ) -> tuple[bytes, bool]:
        """Like `run`, but longer output is cut. Returns the first `most_bytes` bytes, and whether there were more."""
        command = [self._program, "--no-pager", "--literal-pathspecs", *arguments]
        environment = {**self._environment, **_as_environment(self._settings)}
        output, stderr, code = run_git(command, self.top, environment, most_bytes + 1, timeout_s, data=data)
        if len(output) > most_bytes:
            return output[:most_bytes], True
        if code not in codes:
            reason = stderr.decode(errors="replace").strip() or f"exit code {code}"
            raise GitError(f"git {arguments[0]} failed: {reason}")
        return output, False

    def use_upstreams(self) -> None:
        """Copy the upstream of each branch from the repository's configuration, so that `@{upstream}` works. Copies names only."""
        path = os.path.join(self.place.common_dir, "config")
        wanted = r"^(branch\..*\.(remote|merge)|remote\..*\.fetch)$"
        command = [self._program, "config", "--file", "-", "--no-includes", "--null", "--get-regexp", wanted]
        try:
            config = read_regular(path, most_bytes=_MAX_CONFIG)
        except OSError:
            return
        data, _, _ = run_git(command, os.sep, self._environment, _MAX_CONFIG, _DEFAULT_TIMEOUT_S, data=config)
        for entry in data.split(b"\0"):
            name, _, value = os.fsdecode(entry).partition("\n")
            if _UPSTREAM.fullmatch(value):
                self._settings[name] = value

    def use_file_settings_of_user(self) -> None:
        """Copy the user's git settings about files: which files are ignored, and line endings."""
        names = "|".join(("excludesfile", *_HARMLESS))
        command = [self._program, "config", "--includes", "--null", "--path", "--get-regexp", rf"^core\.({names})$"]
        environment = {name: value for name, value in self._environment.items() if name not in _USER_OFF}
        environment |= {"GIT_DIR": os.devnull}
        data, _, _ = run_git(command, os.sep, environment, _MAX_CONFIG, _DEFAULT_TIMEOUT_S)
        for entry in data.split(b"\0"):
            name, _, value = entry.partition(b"\n")
            if name:
                self._settings.setdefault(os.fsdecode(name), os.fsdecode(value))


@contextmanager
def open_repository(
    directory: str | os.PathLike[str], environ: Mapping[str, str] | None = None
) -> Iterator[Repository]:
    """Open the repository that contains a directory.

    :param environ: PATH for finding git (absolute directories only), and the user's home. Default: this process's environment.

    Raises GitError if there is no repository, if it uses another repository (see `find_place`), or if git is not installed.
    """
    environ = os.environ if environ is None else environ
    place = find_place(directory)
    if place is None:
        raise GitError(f"{os.fspath(directory)} is not in a git repository")
    program = find_git(environ)
    try:
        private = tempfile.mkdtemp(prefix="llm-gateway-git-")
    except OSError as error:
        raise GitError(f"cannot create a temporary directory for git: {error.strerror}") from error
    try:
        _fill_git_dir(private, place)
        yield Repository(place, program, private, environ)
    except OSError as error:
        raise GitError(f"the git repository of {place.top} cannot be read: {error.strerror}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


@contextmanager
def open_scratch(environ: Mapping[str, str] | None = None) -> Iterator[Repository]:
    """Create an empty temporary repository without a working tree. It is deleted at the end.

    It is used to compare data with git where no attributes, ignore rules or settings of a user or repository apply.

    Raises GitError if git is not installed.
    """
    environ = os.environ if environ is None else environ
    program = find_git(environ)
    private = os.path.realpath(tempfile.mkdtemp(prefix="llm-gateway-git-"))
    try:
        for name in ("objects", "refs", "info"):
            os.mkdir(os.path.join(private, name))
        for name, text in _SCRATCH.items():
            with open(os.path.join(private, name), "w", encoding="utf-8") as file:
                file.write(text)
        yield Repository(Place(top=private, git_dir=private, common_dir=private), program, private, environ)
    except OSError as error:
        raise GitError(f"cannot create a repository in {private}: {error.strerror}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _fill_git_dir(private: str, place: Place) -> None:
    """Create the files and links of the private `GIT_DIR`."""
    with open(os.path.join(private, "HEAD"), "wb") as head:
        head.write(read_regular(os.path.join(place.git_dir, "HEAD"), most_bytes=_MAX_CONFIG))
    with open(os.path.join(private, "config"), "w", encoding="utf-8") as config:
        config.write(_safe_config(_read_config(place)))
    for name in _LINKED:
        os.symlink(os.path.join(place.common_dir, name), os.path.join(private, name))
    with os.scandir(place.git_dir) as entries:  # files of a split index
        shared = [entry.name for entry in entries if entry.name.startswith("sharedindex.")]
    for name in shared:
        os.symlink(os.path.join(place.git_dir, name), os.path.join(private, name))
    os.mkdir(os.path.join(private, "info"))
    os.symlink(os.path.join(place.common_dir, "info", "exclude"), os.path.join(private, "info", "exclude"))


def _read_config(place: Place) -> str:
    try:
        data = read_regular(os.path.join(place.common_dir, "config"), most_bytes=_MAX_CONFIG)
    except OSError as error:
        if error.errno == ENOENT:
            return ""
        raise
    return data.decode("utf-8", "replace")


def _safe_config(original: str) -> str:
    """Return a configuration with the safe values of the repository's configuration. Raises GitError for an unsupported format."""
    values = _simple_values(original)
    if values.get("extensions.refstorage", "files") != "files":
        raise GitError("this repository stores its references in a format (reftable) that the gateway does not support")
    form = values.get("extensions.objectformat", "sha1")
    if form not in ("sha1", "sha256"):
        raise GitError("this repository has an object format that the gateway does not support")
    kept = {name: values[f"core.{name}"] for name in _HARMLESS if f"core.{name}" in values}
    lines = [f"\t{name} = {value}" for name, value in kept.items() if re.fullmatch(r"[a-z]{1,9}|[01]", value)]
    version = 0 if form == "sha1" else 1
    lines = ["[core]", f"\trepositoryformatversion = {version}", "\tbare = false", *lines]
    if version:
        lines += ["[extensions]", f"\tobjectFormat = {form}"]
    return "\n".join(lines) + "\n"


def _simple_values(config: str) -> dict[str, str]:
    """Return the plain `name = value` lines of a configuration, in lower case. Quoted and continued values are not needed."""
    found = {}
    section = ""
    for line in config.lower().splitlines():
        heading = re.match(r"\s*\[\s*([^\]]*?)\s*\]", line)
        if heading:
            section = heading[1]
        rest = line[heading.end() :] if heading else line
        name, equals, value = rest.partition("=")
        key = f"{section}.{name.strip()}"
        found[key] = re.split(r"[#;]", value)[0].strip() if equals else "true"
    return found


#: Git does not read the user's configuration: its filters and pagers must not run on files of an untrusted repository.
_USER_OFF = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def _environment(place: Place, private: str, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environ[name] for name in _PASSED if name in environ}
    # Git runs its helper programs from PATH. A relative entry would mean the repository.
    kept["PATH"] = os.pathsep.join(
        entry for entry in kept.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(entry)
    )
    return {
        **kept,
        **_USER_OFF,
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "",
        "GIT_DIR": private,
        "GIT_WORK_TREE": place.top,
        "GIT_INDEX_FILE": os.path.join(place.git_dir, "index"),
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
    }


def _as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings as environment variables for git. In this form, a name may contain any character, also `=` and newlines."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found
