"""`llm-gateway plugins`, `doctor` and `config`: what is here, and whether it is in order."""

from __future__ import annotations

import os

SECRET = "canary-5f1c"


def write_settings(command, text: str) -> None:
    command.home.mkdir(0o700)
    (command.home / "config.toml").write_text(text)


def test_plugins_are_listed_without_settings_store_or_engine(command) -> None:
    write_settings(command, "this is broken")
    found = command.json("plugins", LLM_GATEWAY_PLUGINS="echo,eckho")
    echo = next(plugin for plugin in found["plugins"] if plugin["name"] == "echo")
    assert (echo["kind"], echo["state"], echo["distribution"]) == ("provider", "loaded", "llm-gateway-provider-echo")
    assert "gateway_build_argv" in echo["hooks"]
    assert {"store", "engine", "transport"} <= {plugin["kind"] for plugin in found["plugins"]}
    assert any("eckho" in problem for problem in found["problems"])
    assert not (command.home / "gateway.db").exists()
    assert "echo" in command.run("plugins").stdout


def test_doctor_finds_everything_in_order_and_makes_nothing(command) -> None:
    found = command.json("doctor")
    assert found["ok"] is True
    assert found["home"] == {"path": str(command.home), "exists": False}
    (echo,) = found["providers"]
    assert (echo["version"], echo["inRange"], echo["login"]) == ("0.1.0", "yes", "unknown")
    assert not command.home.exists()
    command.run("ask", "echo", "hello")
    found = command.json("doctor")
    assert (found["home"]["mode"], found["store"]["ok"], found["engine"]["ok"]) == ("0700", True, True)
    assert found["store"]["jobs"]["completed"] == 1
    assert "everything is in order" in command.run("doctor").stdout


def test_doctor_fails_for_settings_that_cannot_be_used(command) -> None:
    write_settings(command, "dedup_windo_s = 1\n")
    found = command.json("doctor", code=1)
    assert any("line 1" in problem and "dedup_window_s" in problem for problem in found["problems"])


def test_doctor_fails_for_an_open_home_and_an_unknown_store(command) -> None:
    write_settings(command, '[store]\nurl = "sqlit:"\n')
    command.home.chmod(0o755)
    done = command.run("doctor")
    assert done.returncode == 1
    assert "chmod 700" in done.stdout
    assert "no store named 'sqlit' is installed" in done.stdout


def test_doctor_does_not_wait_for_a_program_that_does_not_answer(command, tmp_path) -> None:
    program = tmp_path / "silent"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    write_settings(command, f'[providers.echo]\nexecutable = "{program}"\n')
    (echo,) = command.json("doctor", code=1)["providers"]
    assert echo["version"] is None
    write_program_gone = command.json("doctor", LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE="/nowhere/echo")
    assert write_program_gone["providers"][0]["installed"] is False
    assert "pip install" in write_program_gone["providers"][0]["install"]


def test_doctor_says_how_to_install_and_log_in_if_no_agent_is_ready(command, tmp_path) -> None:
    nobody = {
        "LLM_GATEWAY_PLUGINS": "echo,claude,operations,git",
        "LLM_GATEWAY_PROVIDERS_CLAUDE_EXECUTABLE": "/nowhere/claude",
    }
    found = command.json("doctor", code=4, **nobody)
    assert (found["ok"], found["agents"], found["ready"]) == (True, ["claude"], [])
    done = command.run("doctor", **nobody)
    assert done.returncode == 4
    claude = next(one for one in found["providers"] if one["name"] == "claude")
    assert f"{claude['install']}, then {claude['loginCommand']}" in done.stdout
    assert "no agent is ready" in done.stdout


def test_config_shows_every_value_and_where_it_came_from_without_secrets(command) -> None:
    write_settings(
        command,
        f"""dedup_window_s = 7
[providers.echo.env]
KEY = "{SECRET}"
[mcp_servers.search]
url = "https://user:{SECRET}@search.example/mcp?key={SECRET}"
[mcp_servers.local]
command = "search"
env = {{ TOKEN = "{SECRET}" }}
""",
    )
    found = command.json("config", LLM_GATEWAY_LIMITS_RUNNING="3")
    keys = found["keys"]
    assert keys["dedup_window_s"] == {"value": 7.0, "source": f"{command.home / 'config.toml'}:1"}
    assert keys["limits.running"] == {"value": 3, "source": "LLM_GATEWAY_LIMITS_RUNNING"}
    assert keys["limits.queued"] == {"value": 128, "source": "default"}
    assert keys["providers.echo.env"] == {"value": {"KEY": "***"}, "source": f"{command.home / 'config.toml'}:3"}
    assert keys["mcp_servers.search.url"]["value"] == "https://***@search.example/mcp?***"
    assert keys["mcp_servers.local.env"]["value"] == {"TOKEN": "***"}
    assert SECRET not in command.run("config").stdout


def test_a_reader_that_has_seen_enough_is_no_reason_for_a_traceback(command) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with command.start("config", stdout=writer, stderr=-1) as process:
        os.close(writer)
        assert process.communicate(timeout=30)[1] == b""


def test_config_gets_and_sets_one_key_and_refuses_what_is_not_valid(command) -> None:
    write_settings(command, "# mine\n")
    path = command.home / "config.toml"
    assert command.run("config", "path").stdout == f"{path}\n"
    assert command.run("config", "set", "limits.running", "3").returncode == 0
    assert command.run("config", "get", "limits.running").stdout == "3\n"
    before = path.read_text()
    assert before == "# mine\n\n[limits]\nrunning = 3\n"
    assert path.stat().st_mode & 0o777 == 0o600
    for wrong, told in ((("limits.running", "0"), "running"), (("limits.runing", "3"), "did you mean")):
        done = command.run("config", "set", *wrong)
        assert done.returncode == 2
        assert told in done.stderr
        assert str(path) in done.stderr
    assert "did you mean" in command.run("config", "get", "limits.runing").stderr
    assert path.read_text() == before


def test_config_edit_replaces_the_file_only_by_valid_settings(command, tmp_path) -> None:
    write_settings(command, "")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf \'%s\' "$TEXT" > "$1"\n')
    editor.chmod(0o755)
    given = {"VISUAL": str(editor), "TMPDIR": str(tmp_path)}
    assert command.run("config", "edit", TEXT="nonsense_key = 1\n", **given).returncode == 2
    assert (command.home / "config.toml").read_text() == ""
    assert command.run("config", "edit", TEXT="[limits]\nrunning = 5\n", **given).returncode == 0
    assert command.run("config", "get", "limits.running").stdout == "5\n"
    assert command.run("config", "edit", VISUAL="/nowhere/editor").returncode == 2
