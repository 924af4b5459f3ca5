"""What a test plants for a program in its user's folder and in a project: programs that leave a mark when they start."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

PYTHON = "/usr/bin/python3"


def trap(folder: Path, name: str) -> str:
    """A program that leaves a mark, `<name>-ran`, when it is started."""
    program = folder / f"{name}.sh"
    program.write_text(f"#!/bin/sh\ntouch '{folder}/{name}-ran'\n")
    program.chmod(0o755)
    return str(program)


def ran(folder: Path) -> list[str]:
    """The traps that were started."""
    return sorted(path.name.removesuffix("-ran") for path in folder.glob("*-ran"))


def forget(folder: Path) -> list[str]:
    """The traps that were started, which are set again."""
    names = ran(folder)
    for name in names:
        (folder / f"{name}-ran").unlink()
    return names


def bare(agent: RealAgent, *arguments: str, words: str = "") -> str:
    """Run the program as its user does, without the gateway. What it prints."""
    done = subprocess.run(
        [str(agent.program), *arguments],
        cwd=agent.work,
        env=agent.environ,
        input=words.encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def state(*paths: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything that a file of the user has, so that two states can be compared."""
    found = {}
    for path in paths:
        about = os.lstat(path)
        found[str(path)] = (about.st_ino, about.st_mode, about.st_mtime_ns, path.read_bytes())
    return found


GROK_MODEL = """
[models]
default = "mine"
[model.mine]
model = "m-mine"
base_url = "{url}/v1"
api_key = "key-of-the-file"
api_backend = "chat_completions"
extra_headers = {{"X-Mine" = "yes"}}
"""


def plant_for_grok(agent: RealAgent, url: str) -> list[Path]:
    """Programs that the user's settings start, rules that allow everything, and a trusted project that brings its own."""
    home, work = agent.folder / "home", agent.work

    def hook(name: str) -> dict[str, Any]:
        command = {"type": "command", "command": trap(agent.folder, name)}
        return {"SessionStart": [{"matcher": "*", "hooks": [command]}], "PreToolUse": [{"hooks": [command]}]}

    config = home / ".grok/config.toml"
    table = f'[[hooks.SessionStart]]\nhooks = [{{type = "command", command = "{trap(agent.folder, "config-hook")}"}}]\n'
    table += f'[mcp_servers.own]\ncommand = "{trap(agent.folder, "server")}"\n'
    table += f'[plugins]\npaths = ["{agent.folder}/plugin"]\n'
    table += '[ui]\npermission_mode = "always-approve"\n[permission]\nallow = ["Bash", "Edit", "Write"]\n'
    config.write_text(config.read_text() + table)
    allowed = {"permissions": {"allow": ["Bash", "Edit", "Write"], "defaultMode": "bypassPermissions"}}
    fill(
        home,
        {
            ".grok/hooks/own.json": json.dumps({"hooks": hook("hook-file")}),
            ".grok/trusted_folders.toml": trusted_folders(work),
            ".claude/settings.json": json.dumps({"hooks": hook("claude-hook"), **allowed}),
            ".claude/settings.local.json": json.dumps(allowed),
            ".claude.json": json.dumps({"mcpServers": {"other": {"command": trap(agent.folder, "claude-server")}}}),
            ".cursor/hooks.json": json.dumps({"version": 1, "hooks": hook("cursor-hook")}),
        },
    )
    fill(
        agent.folder / "plugin",
        {
            "plugin.json": json.dumps({"name": "own", "version": "1.0.0"}),
            "hooks/hooks.json": json.dumps({"hooks": hook("plugin-hook")}),
        },
    )
    subprocess.run(["git", "init", "-q", work], check=True, timeout=60)
    fill(
        work,
        {
            ".grok/hooks/theirs.json": json.dumps({"hooks": hook("project-hook")}),
            ".grok/config.toml": f'[mcp_servers.theirs]\ncommand = "{trap(agent.folder, "project-server")}"\n',
            ".mcp.json": json.dumps({"mcpServers": {"json": {"command": trap(agent.folder, "json-server")}}}),
            ".claude/settings.json": json.dumps({"hooks": hook("project-claude-hook"), **allowed}),
            ".envrc": f"{trap(agent.folder, 'envrc')}\n",
        },
    )
    return [path for path in (*home.rglob("*"), *work.rglob("*")) if path.is_file()]


def trusted_folders(work: Path) -> str:
    """The user's decision that Grok stores when a folder is trusted."""
    return f'[folders."{work}"]\ntrusted = true\ndecided_at = 1796035013\n'


VIBE_SETTINGS = """
active_model = "mine"
[[providers]]
name = "mine"
api_base = "{url}/v1"
api_key_env_var = "KEY_OF_MINE"
backend = "generic"
[[models]]
name = "m-mine"
provider = "mine"
alias = "mine"
thinking = "high"
"""


def plant_for_mistral(agent: RealAgent, url: str) -> list[Path]:
    """Programs that the user's settings start, rules that allow everything, and a trusted project that brings its own."""
    home, work = agent.folder / "home", agent.work

    def hooks(name: str) -> str:
        kinds = ("post_agent", "pre_tool")
        command = trap(agent.folder, name)
        return "\n".join(f'[[hooks]]\nname = "{name}-{k}"\ntype = "{k}"\ncommand = "{command}"\n' for k in kinds)

    def server(name: str) -> str:
        return f'[[mcp_servers]]\nname = "{name}"\ntransport = "stdio"\ncommand = "{trap(agent.folder, name)}"\n'

    loose = 'default_agent = "auto-approve"\nbypass_tool_permissions = true\noutside_workdir = "ask"\n'
    tools = f'[tools.bash]\npermission = "always"\nallowlist = ["{PYTHON}", "touch"]\n[tools.write_file]\npermission = "always"\n'
    config = home / ".vibe/config.toml"
    config.write_text(loose + config.read_text() + tools + server("server"))
    fill(
        home,
        {
            ".vibe/hooks.toml": hooks("hook"),
            ".vibe/trusted_folders.toml": f'trusted = ["{work}"]\nuntrusted = []\n',
            ".vibe/agents/ask.toml": "bypass_tool_permissions = true\n",
        },
    )
    theirs = VIBE_SETTINGS.format(url=url).replace("m-mine", "m-theirs")
    fill(
        work,
        {
            ".vibe/config.toml": loose + theirs + tools + server("project-server"),
            ".vibe/hooks.toml": hooks("project-hook"),
            ".vibe/agents/ask.toml": "bypass_tool_permissions = true\n",
        },
    )
    return [path for path in (*home.rglob("*"), *work.rglob("*")) if path.is_file()]


def plant_for_gemini(agent: RealAgent, url: str) -> list[Path]:
    """Programs that the user's settings start, rules that allow everything, and a trusted project that brings its own."""
    home, work = agent.folder / "home", agent.work

    def hooks(name: str) -> dict[str, Any]:
        return {"SessionStart": [{"hooks": [{"type": "command", "command": trap(agent.folder, name)}]}]}

    own = json.loads((home / ".gemini/settings.json").read_text())
    own |= {
        "hooks": hooks("hook"),
        "mcpServers": {"own": {"command": trap(agent.folder, "server"), "trust": True}},
        "tools": {"allowed": ["run_shell_command", "write_file"], "autoAccept": True},
        "general": {"defaultApprovalMode": "auto_edit"},
    }
    allow = '[[rule]]\ntoolName = "*"\ndecision = "allow"\npriority = 999\n'
    extension = {"name": "ext", "version": "1.0.0", "mcpServers": {"x": {"command": trap(agent.folder, "extension")}}}
    fill(
        home,
        {
            ".gemini/settings.json": json.dumps(own),
            ".gemini/policies/all.toml": allow,
            ".gemini/trustedFolders.json": json.dumps({str(work): "TRUST_FOLDER"}),
            ".gemini/extensions/ext/gemini-extension.json": json.dumps(extension),
        },
    )
    theirs = {
        "model": {"name": "m-theirs"},
        "hooks": hooks("project-hook"),
        "mcpServers": {"theirs": {"command": trap(agent.folder, "project-server")}},
        "tools": {"allowed": ["run_shell_command", "write_file"]},
    }
    fill(work, {".gemini/settings.json": json.dumps(theirs)})
    return [path for path in (*home.rglob("*"), *work.rglob("*")) if path.is_file()]


PLANT = {"grok": plant_for_grok, "mistral": plant_for_mistral, "gemini": plant_for_gemini}
