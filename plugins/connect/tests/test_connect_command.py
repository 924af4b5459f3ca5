"""`llm-gateway connect` and `disconnect`, as a user runs them, in a home with configurations of the user's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_gateway_extension_connect.files import BEFORE

pytestmark = pytest.mark.slow

JSON = '{\n    // mine\n    "theme": "x",   /* y */\n    "%s": {\n        "a": {"command": "x"}\n    }\n}'
TOML = '# mine\nmodel = "x"   # why\n\n[profiles.p]\nlist = [ "a",\n "b" ] # c\n'
FILES = {
    "claude": (".claude.json", '{"numStartups":3,\n   "mcpServers": {"a":{"command":"x"}}, "n": 1.0}'),
    "codex": (".codex/config.toml", TOML + "[mcp_servers.a]\ncommand='x'\n"),
    "gemini": (".gemini/settings.json", JSON % "mcpServers"),
    "grok": (".grok/config.toml", TOML),
    "vibe": (".vibe/config.toml", TOML + "[[mcp_servers]]\nname='a'\n"),
    "cursor": (".cursor/mcp.json", JSON % "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", JSON % "servers"),
}
every_client = pytest.mark.parametrize("client", FILES)


class User:
    """Somebody with a home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "LLM_GATEWAY_"))}
        self.environ = {**kept, "HOME": str(home), "LLM_GATEWAY_PLUGINS": "connect,claude", "PATH": "/usr/bin:/bin"}

    def config(self, client: str) -> Path:
        """The client's file, as the user wrote it."""
        path = self.home / FILES[client][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[client][1].encode())
        path.chmod(0o640)
        return path

    def run(self, *words: str, code: int = 0) -> str:
        """Run the command; all that it says."""
        argv = [sys.executable, "-m", "llm_gateway.cli", *words]
        done = subprocess.run(argv, env=self.environ, capture_output=True, timeout=120, check=False, cwd=self.home)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == code, said
        return said


@pytest.fixture
def user(tmp_path: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    return User(home)


def everything(folder: Path) -> dict[str, bytes]:
    """All files but the gateway's own."""
    found = [path for path in folder.rglob("*") if path.is_file() and ".llm-cli-gateway" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if ".cache" not in path.parts}


@every_client
def test_a_client_is_connected_and_disconnected_and_nothing_else_has_moved(client: str, user: User) -> None:
    path = user.config(client)
    before = path.read_bytes()

    said = user.run("connect", client)
    assert "connected" in said
    assert "tools" in said
    letters = iter(path.read_bytes())
    assert all(letter in letters for letter in before), "what stood there stands there, with something put in"
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name(path.name + BEFORE).read_bytes() == before
    user.run("disconnect", client)
    assert everything(user.home) == {FILES[client][0]: before}


def test_a_dry_run_shows_all_and_changes_nothing_and_once_more_changes_nothing_either(user: User) -> None:
    user.config("gemini")
    untouched = everything(user.home)
    said = user.run("connect", "gemini", "--dry-run")
    assert '+        "llm-gateway": {' in said
    assert "theme" not in said, "only what changes: the rest may hold secrets"
    assert everything(user.home) == untouched

    user.run("connect", "gemini")
    connected = everything(user.home)
    assert "was connected already" in user.run("connect", "gemini")
    assert '-        "llm-gateway": {' in user.run("disconnect", "gemini", "--dry-run")
    assert everything(user.home) == connected

    user.run("disconnect", "gemini")
    assert everything(user.home) == untouched
    assert "was not connected" in user.run("disconnect", "gemini")


def test_a_file_that_was_not_there_is_made_for_its_owner_alone_and_goes_again(user: User) -> None:
    (user.home / ".codex").mkdir()
    path = user.home / ".codex/config.toml"
    user.run("connect", "codex")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.with_name(path.name + BEFORE).exists()
    user.run("disconnect", "codex")
    assert not path.exists()


def test_what_was_changed_meanwhile_stays(user: User) -> None:
    path = user.config("gemini")
    user.run("connect", "gemini")
    path.write_text(path.read_text().replace('"theme": "x"', '"theme": "dark"'))
    user.run("disconnect", "gemini")
    assert path.read_text() == FILES["gemini"][1].replace('"theme": "x"', '"theme": "dark"')
    assert not path.with_name(path.name + BEFORE).exists()


def test_a_linked_file_stays_a_link(user: User, tmp_path: Path) -> None:
    path = user.config("codex")
    real = path.replace(tmp_path / "dotfile")
    path.symlink_to(real)
    user.run("connect", "codex")
    assert path.is_symlink()
    assert "llm-gateway" in real.read_text()
    user.run("disconnect", "codex")
    assert real.read_text() == FILES["codex"][1]


def test_a_gateway_that_moved_is_written_anew_and_the_users_own_keys_stay(user: User) -> None:
    path = user.home / ".cursor/mcp.json"
    path.parent.mkdir()
    old = {"command": "/gone/bin/llm-gateway", "args": ["serve"], "env": {"MINE": "1"}, "disabled": False}
    path.write_text(json.dumps({"mcpServers": {"llm-gateway": old}}))
    user.run("connect", "cursor")
    entry = json.loads(path.read_text())["mcpServers"]["llm-gateway"]
    assert entry["command"].startswith(str(Path(sys.executable).parent))
    assert (entry["env"], entry["disabled"]) == ({"MINE": "1"}, False)
    user.run("disconnect", "cursor")
    assert json.loads(path.read_text()) == {"mcpServers": {}}


def test_another_server_of_our_name_is_left_alone(user: User) -> None:
    path = user.home / ".cursor/mcp.json"
    path.parent.mkdir()
    path.write_text(text := '{"mcpServers": {"llm-gateway": {"command": "other"}}}')
    assert "Give that server another name" in user.run("connect", "cursor", code=2)
    user.run("disconnect", "cursor")
    assert path.read_text() == text


def test_a_server_that_does_not_answer_is_told_why_and_taken_out_again(user: User) -> None:
    path = user.home / ".cursor/mcp.json"
    path.parent.mkdir()
    old = {"command": "llm-gateway", "args": ["serve"], "env": {"LLM_GATEWAY_STORE_URL": "nowhere://"}}
    path.write_text(text := json.dumps({"mcpServers": {"llm-gateway": old}}))
    said = user.run("connect", "cursor", code=1)
    assert "nowhere" in said
    assert "Nothing is left changed" in said
    assert everything(user.home) == {".cursor/mcp.json": text.encode()}


def test_a_broken_file_is_told_and_left_alone(user: User) -> None:
    path = user.config("vibe")
    path.write_text("= broken")
    assert "cannot be edited" in user.run("connect", "vibe", code=2)
    assert path.read_text() == "= broken"


def test_a_client_that_is_not_here_is_told(user: User) -> None:
    assert "not_installed" in user.run("connect", "grok", code=1)
    assert "was not connected" in user.run("disconnect", "grok")


def test_trust_is_given_only_where_it_was_asked_for(user: User) -> None:
    for client, word in (("codex", "approve"), ("gemini", '"trust": true')):
        path = user.config(client)
        user.run("connect", client)
        assert word not in path.read_text()
        user.run("connect", client, "--trust")
        assert word in path.read_text()
        user.run("disconnect", client)
        assert path.read_text() == FILES[client][1]
    user.config("cursor")
    assert "Leave --trust out" in user.run("connect", "cursor", "--trust", code=2)


def test_lesson_82_codex_is_told_names_of_variables_and_no_value(user: User) -> None:
    path = user.config("codex")
    user.environ["ANTHROPIC_API_KEY"] = "canary-4711"
    user.run("connect", "codex")
    assert 'env_vars = ["ANTHROPIC_API_KEY"]' in path.read_text()
    assert not [name for name, text in everything(user.home).items() if b"canary-4711" in text]
