from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, strategies as st

from llm_gateway import RUN_FILES
from llm_gateway_provider_kit.own_home import HOME, OWN, OwnHome, SettingsFile
from llm_gateway_provider_kit.own_home.launch import document, kept, merged

SHOW = (
    "import os, json, pathlib; own = pathlib.Path(os.environ['CLI_HOME']);"
    "print(json.dumps({'own': str(own), 'home': os.environ['HOME'], 'login': os.environ.get('CLI_LOGIN'),"
    " 'settings': (own / 'c.toml').read_text(), 'names': sorted(os.listdir(own)),"
    " 'at_home': sorted(os.listdir(os.environ['HOME']))}))"
)
PYTHON = "/usr/bin/python3"


def home(**changed: Any) -> OwnHome:
    settings = {"c.toml": SettingsFile(keep=("model", "service.url", "tools.*.deny"), set={"shell": {"home": HOME}})}
    return OwnHome(
        **{
            "variable": "CLI_HOME",
            "default": ".cli",
            "settings": settings,
            "folders": ("sessions",),
            "files": ("id", "none"),
            "env": {"CLI_LOGIN": f"{OWN}/login.json"},
            **changed,
        }
    )


def start(
    folder: Path, chosen: OwnHome, user: Path, more: Mapping[str, bytes] | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Start a program as a run does; it tells what it sees."""
    files = folder / "files"
    files.mkdir()
    for name, content in {**chosen.run_files, **(more or {})}.items():
        (files / name).write_bytes(content)
    command = [part.replace(RUN_FILES, str(files)) for part in (*chosen.argv, PYTHON, "-c", SHOW)]
    environ = {"HOME": str(user), "PATH": os.defpath, **env}
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def seen(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A home with settings of a CLI."""
    own = tmp_path / "user/.cli"
    (own / "hooks").mkdir(parents=True)
    (own / "id").write_text("7")
    (own / "c.toml").write_text(
        'model = "m"\nhooks = ["x"]\n[service]\nurl = "http://x"\nstart = "y"\n[tools.a]\ndeny = ["z"]\nallow = ["w"]\n'
    )
    return tmp_path / "user"


def test_a_run_has_the_settings_that_are_kept_and_those_that_are_set(tmp_path: Path, user: Path) -> None:
    found = seen(start(tmp_path, home(), user))
    assert tomli.loads(found["settings"]) == {
        "model": "m",
        "service": {"url": "http://x"},
        "tools": {"a": {"deny": ["z"]}},
        "shell": {"home": str(user)},
    }
    assert found["names"] == ["c.toml", "id", "sessions"]
    assert found["login"] == f"{user}/.cli/login.json"
    assert (found["home"], found["own"]) == (str(user), str(tmp_path / "files/own"))
    assert sorted(os.listdir(user / ".cli")) == ["c.toml", "hooks", "id", "sessions"]


def test_the_variables_of_the_run_count(tmp_path: Path, user: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.toml").write_text('model = "other"\n')
    found = seen(start(tmp_path, home(), user, CLI_HOME=str(elsewhere), CLI_LOGIN="/login"))
    assert tomli.loads(found["settings"])["model"] == "other"
    assert found["login"] == "/login"


def test_without_settings_of_the_user_only_ours_apply(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = seen(start(tmp_path, home(), tmp_path / "empty"))
    assert tomli.loads(found["settings"]) == {"shell": {"home": str(tmp_path / "empty")}}


@pytest.mark.parametrize("broken", ["model = ", "\udcff"], ids=["no-toml", "no-utf-8"])
def test_settings_that_cannot_be_read_start_nothing(broken: str, tmp_path: Path, user: Path) -> None:
    (user / ".cli/c.toml").write_bytes(broken.encode("utf-8", "surrogateescape"))
    done = start(tmp_path, home(), user)
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{user}/.cli/c.toml cannot be read" in done.stderr


def test_settings_that_are_no_file_start_nothing(tmp_path: Path, user: Path) -> None:
    (user / ".cli/c.toml").unlink()
    os.mkfifo(user / ".cli/c.toml")
    assert start(tmp_path, home(), user).returncode == 78


def test_hidden_files_are_not_in_the_home_of_the_run_and_all_others_are(tmp_path: Path, user: Path) -> None:
    (user / ".other/inner").mkdir(parents=True)
    (user / ".gitconfig").write_text("[user]\n")
    chosen = home(hidden=(".other/rules.json",))
    (tmp_path / "first").mkdir()
    assert seen(start(tmp_path / "first", chosen, user))["home"] == str(user)
    (user / ".other/rules.json").write_text("{}")
    found = seen(start(tmp_path, chosen, user))
    assert found["home"] != str(user)
    assert found["at_home"] == [".cli", ".gitconfig", ".other"]
    assert os.listdir(Path(found["home"], ".other")) == ["inner"]
    assert (Path(found["home"]) / ".gitconfig").read_text() == "[user]\n"


def test_files_of_the_run_lie_beside_those_of_a_linked_folder(tmp_path: Path, user: Path) -> None:
    (user / ".cli/hooks/a.json").write_text("theirs")
    (user / ".cli/hooks/b.json").write_text("theirs")
    made = {"hooks/a.json": "ours", "agents/x.toml": "ours"}
    assert start(tmp_path, home(files=("hooks",), made=made), user).returncode == 0
    own = tmp_path / "files/own"
    texts = {str(path.relative_to(own)): path.read_text() for path in own.glob("*/*")}
    assert texts == {"hooks/a.json": "ours", "hooks/b.json": "theirs", "agents/x.toml": "ours"}
    assert (user / ".cli/hooks/a.json").read_text() == "theirs"


def test_words_in_files_of_the_run_are_replaced(tmp_path: Path, user: Path) -> None:
    odd = user.rename(user.with_name('user "x"'))
    agent = json.dumps({"env": {"HOME": HOME}}).encode()
    assert start(tmp_path, home(filled=("agent.json", "none")), odd, more={"agent.json": agent}).returncode == 0
    assert json.loads((tmp_path / "files/agent.json").read_text()) == {"env": {"HOME": str(odd)}}


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=("Cs",)))
    | st.datetimes()
    | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner),
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), VALUES))
def test_what_is_written_as_toml_is_read_back(settings: dict[str, Any]) -> None:
    assert tomli.loads(document(settings)) == settings


def test_names_that_are_no_tables_keep_nothing() -> None:
    settings = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert kept(settings, ["a.b", "a.b.x", "e.x", "none", "a.*.d"]) == {"a": {"b": 1, "c": {"d": 2}}}


def test_tables_are_merged_and_other_values_replaced() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
