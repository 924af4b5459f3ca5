"""Running git in a repository: bounded, alone with our own configuration, and without what could run a program."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import ENOENT
from itertools import islice

from llm_gateway.files import read_regular
from llm_gateway.git.places import GitError, Place, find_place
from llm_gateway.programs import find_executable

#: What a program needs to find its way; nothing that names an account.
_PASSED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "DEVELOPER_DIR")
#: Outranks every file, the user's own among them.
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
#: The values of a repository's, or of the user's, own configuration that are taken over: what files are, never programs.
_HARMLESS = ("autocrlf", "eol", "filemode", "ignorecase", "precomposeunicode", "safecrlf", "symlinks")
_MAX_CONFIG = 1024 * 1024
#: The name of a remote, of a reference, or what is fetched into what. No address.
_UPSTREAM = re.compile(r"\.|[\w.-]+|\+?refs/[^\s:]+(?::refs/[^\s:]+)?")
_MAX_TROUBLE = 4000
_DEFAULT_TIMEOUT_S = 60.0
#: How long a killed git may take to be gone; one that hangs in the kernel is left to the system.
_GONE_S = 1.0
#: Where the reason is looked for when git takes too long.
_MOST_FOLDERS = 1000
_MOST_IGNORED = 16 << 20
#: Of a repository, what git sees in the directory that it is given. `info/attributes` and `refs/replace` do not count.
_LINKED = ("objects", "refs", "packed-refs", "shallow", "logs")


#: The files of an empty repository. Everything in it is text for git.
_SCRATCH = {
    "HEAD": "ref: refs/heads/main\n",
    "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    "info/attributes": "* diff\n",
}


class Repository:
    """A repository while it is open. Every method blocks. Made by `open_repository`."""

    def __init__(self, place: Place, program: str, private: str, environ: Mapping[str, str]) -> None:
        self.place = place
        self._program = program
        self._environment = _environment(place, private, environ)
        if place.git_dir == private:  # a repository of ours has no working tree
            del self._environment["GIT_WORK_TREE"]
        self._settings = dict(_SETTINGS)

    @property
    def top(self) -> str:
        """The uppermost directory of the working tree, free of symlinks."""
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
        """Run git in the top directory, and give what it prints.

        :param arguments: such as `["ls-files", "-z"]`; paths in them are taken literally.
        :param codes: the exit codes that are no failure.
        :param data: what git reads from its standard input.

        Raises GitError when it prints more, takes longer, or ends with another code.
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
        """As `run`, but more output is cut off: the first `most_bytes` bytes, and whether there were more."""
        command = [self._program, "--no-pager", "--literal-pathspecs", *arguments]
        environment = {**self._environment, **_as_environment(self._settings)}
        output, trouble, code = _run(command, self.top, environment, most_bytes + 1, timeout_s, data=data)
        if len(output) > most_bytes:
            return output[:most_bytes], True
        if code not in codes:
            said = trouble.decode(errors="replace").strip() or f"exit code {code}"
            raise GitError(f"git {arguments[0]} failed: {said}")
        return output, False

    def use_upstreams(self) -> None:
        """Take over which branch of which remote each branch follows, so that `@{upstream}` has a meaning. Names only."""
        path = os.path.join(self.place.common_dir, "config")
        wanted = r"^(branch\..*\.(remote|merge)|remote\..*\.fetch)$"
        command = [self._program, "config", "--file", "-", "--no-includes", "--null", "--get-regexp", wanted]
        try:
            config = read_regular(path, most_bytes=_MAX_CONFIG)
        except OSError:
            return
        data, _, _ = _run(command, os.sep, self._environment, _MAX_CONFIG, _DEFAULT_TIMEOUT_S, data=config)
        for entry in data.split(b"\0"):
            name, _, value = os.fsdecode(entry).partition("\n")
            if _UPSTREAM.fullmatch(value):
                self._settings[name] = value

    def use_file_settings_of_user(self) -> None:
        """Take over what the user's own settings say of files: which are ignored, and how lines end."""
        names = "|".join(("excludesfile", *_HARMLESS))
        command = [self._program, "config", "--includes", "--null", "--path", "--get-regexp", rf"^core\.({names})$"]
        environment = {name: value for name, value in self._environment.items() if name not in _USER_OFF}
        environment |= {"GIT_DIR": os.devnull}
        data, _, _ = _run(command, os.sep, environment, _MAX_CONFIG, _DEFAULT_TIMEOUT_S)
        for entry in data.split(b"\0"):
            name, _, value = entry.partition(b"\n")
            if name:
                self._settings.setdefault(os.fsdecode(name), os.fsdecode(value))


@contextmanager
def open_repository(
    directory: str | os.PathLike[str], environ: Mapping[str, str] | None = None
) -> Iterator[Repository]:
    """Open the repository that a directory is in.

    :param environ: where git is looked for (absolute directories of PATH), and the user's home; default: this process's.

    Raises GitError outside of any, for one that is not the directory's own (see `find_place`), and without git.
    """
    environ = os.environ if environ is None else environ
    place = find_place(directory)
    if place is None:
        raise GitError(f"{os.fspath(directory)} is in no git repository")
    program = find_executable("git", environ)
    if program is None:
        raise GitError("git is not installed, or not in an absolute directory of PATH")
    try:
        private = tempfile.mkdtemp(prefix="llm-gateway-git-")
    except OSError as error:
        raise GitError(f"no directory can be made for git: {error.strerror}") from error
    try:
        _lay_out(private, place)
        yield Repository(place, program, private, environ)
    except OSError as error:
        raise GitError(f"the git repository of {place.top} cannot be read: {error.strerror}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


@contextmanager
def open_scratch(environ: Mapping[str, str] | None = None) -> Iterator[Repository]:
    """Open a new, empty repository without a working tree, which is gone afterwards.

    What is put into it can be compared by git where no attribute, ignore rule or setting of anybody applies.

    Raises GitError without git.
    """
    environ = os.environ if environ is None else environ
    program = find_executable("git", environ)
    if program is None:
        raise GitError("git is not installed, or not in an absolute directory of PATH")
    private = os.path.realpath(tempfile.mkdtemp(prefix="llm-gateway-git-"))
    try:
        for name in ("objects", "refs", "info"):
            os.mkdir(os.path.join(private, name))
        for name, text in _SCRATCH.items():
            with open(os.path.join(private, name), "w", encoding="utf-8") as file:
                file.write(text)
        yield Repository(Place(top=private, git_dir=private, common_dir=private), program, private, environ)
    except OSError as error:
        raise GitError(f"no repository can be made in {private}: {error.strerror}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _lay_out(private: str, place: Place) -> None:
    """Make the directory that git is given."""
    with open(os.path.join(private, "HEAD"), "wb") as head:
        head.write(read_regular(os.path.join(place.git_dir, "HEAD"), most_bytes=_MAX_CONFIG))
    with open(os.path.join(private, "config"), "w", encoding="utf-8") as config:
        config.write(_own_config(_read_config(place)))
    for name in _LINKED:
        os.symlink(os.path.join(place.common_dir, name), os.path.join(private, name))
    with os.scandir(place.git_dir) as entries:  # parts of a split index
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


def _own_config(theirs: str) -> str:
    """Our configuration for a repository of this one. Raises GitError for a format that it cannot stand for."""
    values = _simple_values(theirs)
    if values.get("extensions.refstorage", "files") != "files":
        raise GitError("this repository keeps its references in a format (reftable) that is not supported here")
    form = values.get("extensions.objectformat", "sha1")
    if form not in ("sha1", "sha256"):
        raise GitError("this repository has an object format that is not known")
    kept = {name: values[f"core.{name}"] for name in _HARMLESS if f"core.{name}" in values}
    lines = [f"\t{name} = {value}" for name, value in kept.items() if re.fullmatch(r"[a-z]{1,9}|[01]", value)]
    version = 0 if form == "sha1" else 1
    lines = ["[core]", f"\trepositoryformatversion = {version}", "\tbare = false", *lines]
    if version:
        lines += ["[extensions]", f"\tobjectFormat = {form}"]
    return "\n".join(lines) + "\n"


def _simple_values(config: str) -> dict[str, str]:
    """The plain `name = value` lines of a configuration, in lower case; of quoted or continued ones, nothing that is used."""
    found, section = {}, ""
    for line in config.lower().splitlines():
        heading = re.match(r"\s*\[\s*([^\]]*?)\s*\]", line)
        if heading:
            section = heading[1]
        name, equals, value = line[heading.end() if heading else 0 :].partition("=")
        found[f"{section}.{name.strip()}"] = re.split(r"[#;]", value)[0].strip() if equals else "true"
    return found


#: The user's configuration is not read either: their filters and pagers are theirs, and not for a stranger's files.
_USER_OFF = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def _environment(place: Place, private: str, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environ[name] for name in _PASSED if name in environ}
    # Git's own helpers lie beside it; a relative entry would mean the repository.
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
    """Settings as git reads them from the environment: a name may hold anything, `=` and newlines, too."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _run(
    command: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    most_bytes: int,
    timeout_s: float,
    *,
    data: bytes = b"",
) -> tuple[bytes, bytes, int]:
    """At most so many bytes of stdout, the beginning of stderr, and the exit code; -1 when the output was enough."""
    until = time.monotonic() + timeout_s
    try:
        with _as_file(data) as given:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
    except OSError as error:
        raise GitError(f"git cannot be run in {directory}: {error.strerror}") from error
    assert process.stdout
    assert process.stderr
    output, trouble = bytearray(), bytearray()
    try:
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ, output)
            waiting.register(process.stderr, selectors.EVENT_READ, trouble)
            while waiting.get_map() and len(output) < most_bytes:
                ready = waiting.select(max(0.0, until - time.monotonic()))
                if not ready:
                    raise subprocess.TimeoutExpired(command, timeout_s)
                for key, _ in ready:
                    piece = os.read(key.fd, 1 << 18)
                    if not piece:
                        waiting.unregister(key.fileobj)
                    key.data.extend(piece)
                    del trouble[_MAX_TROUBLE:]
        code = -1 if len(output) >= most_bytes else process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        words = next((word for word in command[1:] if not word.startswith("-")), "")
        raise GitError(f"git {words} took longer than {timeout_s:g} s{_why_slow(environment)}") from None
    finally:
        _end(process)
    return bytes(output[:most_bytes]), bytes(trouble), code


def _why_slow(environment: Mapping[str, str]) -> str:
    """The list of ignored files that git waits for or reads for ever, if one of the first directories holds such a one."""
    top = environment.get("GIT_WORK_TREE")
    for folder, _, names in islice(os.walk(top), _MOST_FOLDERS) if top else ():
        if ".gitignore" in names:
            path = os.path.join(folder, ".gitignore")
            with suppress(OSError):
                facts = os.lstat(path)
                if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MOST_IGNORED:
                    return f": {path} is no list of patterns, but a pipe, a device or huge"
    return ""


@contextmanager
def _as_file(data: bytes) -> Iterator[int]:
    """A descriptor to read this from. A file, not a pipe: nobody has to feed it while git prints."""
    if not data:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GONE_S)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
