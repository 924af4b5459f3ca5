"""Where the home and the settings file are: one reading of what a person or a client wrote."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from llm_gateway.locations import LocationError, config_file, expand_user, home_directory, path_of, user_home
from llm_gateway.settings import SettingsError, load_settings
from llm_gateway_transport_mcp import handshake_key

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = pwd.getpwuid(os.getuid()).pw_dir


@pytest.mark.parametrize(
    ("written", "environ", "meant"),
    [
        ("", {}, "/h/.llm-cli-gateway"),
        ("~", {}, "/h"),
        ("~/x", {}, "/h/x"),
        (f"~{ME}/x", {}, f"{MINE.rstrip('/')}/x"),
        ("$HOME/x", {}, "/h/x"),
        ("${HOME}/x", {}, "/h/x"),
        ("$BASE/x", {"BASE": "~/b"}, "/h/b/x"),
        ("${BASE}/x", {"BASE": "/b"}, "/b/x"),
        ("/a/b/", {}, "/a/b"),
        ("/a/~b", {}, "/a/~b"),
    ],
)
def test_a_home_is_read_the_same_everywhere(written: str, environ: dict[str, str], meant: str) -> None:
    surroundings = {"HOME": "/h", "LLM_GATEWAY_HOME": written, **environ}
    assert home_directory(surroundings) == meant
    assert config_file(surroundings) == f"{meant}/config.toml"
    assert str(load_settings(surroundings).home) == meant
    assert handshake_key.manifest_path(surroundings) == f"{meant}/handshake/mcp.json"


@pytest.mark.parametrize("variable", ["LLM_GATEWAY_HOME", "LLM_GATEWAY_CONFIG"])
@pytest.mark.parametrize(
    "written",
    [
        "${workspaceFolder}/x",
        "${env:HOME}/x",
        "/x/${",
        "/x/$NOTHING",
        "x",
        "./x",
        "../x",
        "~nobody-of-that-name/x",
        "a\0b",
    ],
)
def test_a_place_that_cannot_be_meant_is_refused_in_one_line_that_names_the_variable(
    variable: str, written: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOME": "/h", variable: written})
    told = str(caught.value)
    assert told.startswith(variable)
    assert len(told.splitlines()) == 1


@given(st.text(max_size=30))
def test_whatever_is_written_the_home_is_absolute_or_refused(written: str) -> None:
    try:
        place = home_directory({"HOME": "/h", "LLM_GATEWAY_HOME": written})
    except LocationError:
        return
    assert os.path.isabs(place)
    assert "${" not in place


def test_without_home_the_users_entry_in_the_system_counts() -> None:
    assert user_home({}) == MINE
    assert home_directory({}) == f"{MINE.rstrip('/')}/.llm-cli-gateway"


def test_the_root_directory_may_be_a_home() -> None:
    assert expand_user("~/x", {"HOME": "/"}) == "/x"
    assert expand_user("~", {"HOME": "/"}) == "/"


@pytest.mark.parametrize("folder", ["plain", "with space", "100%", "ünï", "a#b?c"])
def test_a_path_may_be_a_file_uri(tmp_path: Path, folder: str) -> None:
    uri = (tmp_path / folder).as_uri()
    assert path_of(uri, {}) == str(tmp_path / folder)
    assert path_of(uri.replace("file:", "FILE:", 1), {}) == str(tmp_path / folder)
    assert path_of(uri.replace(":" + "//", ":" + "//localhost", 1), {}) == str(tmp_path / folder)


def test_a_uri_may_hold_bytes_that_are_no_text() -> None:
    assert os.fsencode(path_of(Path("/a").as_uri() + "/%ff", {})) == b"/a/\xff"


@pytest.mark.parametrize("rest", ["//elsewhere/a", "a", "//", "/a", "", "//localhost", "//localhost/a?x=1", "///a#b"])
def test_a_uri_that_names_no_absolute_path_of_this_machine_is_refused(rest: str) -> None:
    with pytest.raises(LocationError):
        path_of(f"file:{rest}", {})


NOBODY = """
import pwd, sys
def gone(*_):
    raise KeyError
pwd.getpwuid = pwd.getpwnam = gone
from llm_gateway.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _run(python: tuple[str, ...], words: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PATH", "LANG", "LC_", "PYTHON"))}
    return subprocess.run(
        [*python, "-c", NOBODY, *words],
        env={**kept, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


COMMANDS = [
    ["serve"],
    ["ask", "echo", "hi"],
    ["jobs", "list"],
    ["sessions", "list"],
    ["cache"],
    ["config"],
    ["connect", "claude", "--dry-run"],
    ["review"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    "environ", [{}, {"LLM_GATEWAY_HOME": "${HOME}/x"}, {"LLM_GATEWAY_HOME": "x"}], ids=["none", "unfilled", "relative"]
)
def test_without_any_home_a_command_says_so_in_one_line(
    python: tuple[str, ...], words: list[str], environ: dict[str, str]
) -> None:
    done = _run(python, words, environ)
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.decode().splitlines()) == 1
    assert b"HOME" in done.stderr


@pytest.mark.parametrize("words", [["doctor"], ["disconnect", "claude", "--dry-run"]], ids=" ".join)
def test_without_any_home_nothing_ends_with_a_traceback(python: tuple[str, ...], words: list[str]) -> None:
    done = _run(python, words, {})
    assert done.returncode in (1, 2)
    assert b"Traceback" not in done.stderr
    assert b"HOME" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["jobs", "list"], ["doctor", "--json"], ["plugins"]], ids=" ".join)
def test_a_home_that_is_named_is_enough(python: tuple[str, ...], tmp_path: Path, words: list[str]) -> None:
    done = _run(python, words, {"LLM_GATEWAY_HOME": str(tmp_path / "home")})
    assert b"Traceback" not in done.stderr
    assert done.stdout
