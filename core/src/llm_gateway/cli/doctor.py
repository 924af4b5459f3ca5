"""`llm-gateway doctor`: whether everything is in order. Changes nothing, and speaks to nobody outside this machine."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

import llm_gateway
from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import explain
from llm_gateway.cli.masking import masked_url
from llm_gateway.cli.parser import build_parser
from llm_gateway.cli.plugin_commands import usable
from llm_gateway.cli.running import Scopes, log_to_stderr, run_async
from llm_gateway.cli.screen import say, say_json, state, styled
from llm_gateway.cli.versions import look_at_provider
from llm_gateway.operations.requests import RESERVED
from llm_gateway.operations.surface import collect
from llm_gateway.plugins import PluginError, PluginHost
from llm_gateway.settings import Settings, SettingsError, load_settings

_OPEN_S = 15.0


def run(options: argparse.Namespace) -> int:
    """Look, tell, and fail if something is broken."""
    log_to_stderr()

    async def look(_scopes: Scopes) -> int:
        report = await examine()
        if options.json:
            say_json(report)
        else:
            _tell(report)
        return Exit.OK if report["ok"] else Exit.FAILED

    return run_async(look)


_LOGIN = {"yes": "logged in", "no": "not logged in", "unknown": "login unknown"}


async def examine() -> dict[str, Any]:
    """Look at everything. `problems` is what is broken, `notes` what is worth knowing."""
    problems: list[str] = []
    notes: list[str] = []
    host = PluginHost.discover(os.environ, reserved=RESERVED)
    host.load_all()
    settings = _settings(host, problems, notes)
    report: dict[str, Any] = {
        "version": llm_gateway.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
    }
    if settings is not None:
        report["settings"] = {"file": str(settings.config_file), "exists": settings.config_file.is_file()}
        report["home"] = _home(settings.home, problems, notes)
        report["store"] = await _store(host, settings, problems)
        report["engine"] = await _engine(host, settings, problems)
        report["plugins"] = []
        if _configured(host, settings, problems):
            report["plugins"] = await to_thread.run_sync(_diagnoses, host, problems)
    report["providers"] = await _providers(host, settings, problems, notes)
    problems += host.problems
    return {"ok": not problems, **report, "problems": problems, "notes": notes}


def _settings(host: PluginHost, problems: list[str], notes: list[str]) -> Settings | None:
    try:
        settings = load_settings(os.environ, host.settings_sections())
    except SettingsError as error:
        problems += [f"settings: {problem}" for problem in error.problems]
        return None
    notes += [f"settings: {warning}" for warning in settings.warnings]
    host.require_policies(settings.approval.required_policies)
    return settings


def _configured(host: PluginHost, settings: Settings, problems: list[str]) -> bool:
    """Hand the plugins their settings and collect what they bring, so that the host learns who brings a name that is taken."""
    try:
        host.configure(settings.plugins, settings.provider_options)
    except PluginError as error:
        problems.append(f"settings: {error}")
        return False
    collect(host)
    usable(host, build_parser())
    return True


def _home(home: Path, problems: list[str], notes: list[str]) -> dict[str, Any]:
    try:
        facts = home.stat()
    except FileNotFoundError:
        notes.append(f"home: {home} is not there yet; the first start makes it")
        return {"path": str(home), "exists": False}
    except OSError as error:
        problems.append(f"home: {home}: {error.strerror}")
        return {"path": str(home), "exists": True}
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        problems.append(f"home: {home} is open to others (mode {mode:04o}); the next start, or chmod 700, closes it")
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        problems.append(f"home: {home} belongs to another user")
    elif not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        problems.append(f"home: {home} is not writable")
    return {"path": str(home), "exists": True, "mode": f"{mode:04o}"}


async def _store(host: PluginHost, settings: Settings, problems: list[str]) -> dict[str, Any]:
    url = masked_url(settings.store.url)

    async def look() -> dict[str, Any]:
        store = host.open_store(settings.store.url, str(settings.home))
        if not settings.home.is_dir():
            return {}
        try:
            await store.aopen()
            health = dict(await store.health())
        finally:
            await store.aclose()
        health.pop("url", None)
        return health

    return {"url": url, **await _tried(f"store {url}", look, problems)}


async def _engine(host: PluginHost, settings: Settings, problems: list[str]) -> dict[str, Any]:
    url = masked_url(settings.engine.url)

    async def look() -> dict[str, Any]:
        engine = host.open_engine(settings.engine.url, str(settings.home))
        await engine.aopen()
        await engine.aclose()
        return {}

    return {"url": url, **await _tried(f"engine {url}", look, problems)}


def _diagnoses(host: PluginHost, problems: list[str]) -> list[dict[str, Any]]:
    """What the plugins say of this machine. Blocking."""
    found = [one for _, one in host.diagnoses()]
    problems += [f"{one.name}: {one.message}" for one in found if not one.ok]
    return [{"name": one.name, "ok": one.ok, "message": one.message} for one in found]


async def _tried(what: str, look: Callable[[], Awaitable[dict[str, Any]]], problems: list[str]) -> dict[str, Any]:
    try:
        with anyio.fail_after(_OPEN_S):
            return {"ok": True, **await look()}
    except TimeoutError:
        why = f"no answer in {_OPEN_S:.0f} s"
    except Exception as error:  # a plugin's defect is what we are here to tell
        told = explain(error)
        why = told.text.removeprefix("llm-gateway: ") if told else f"{type(error).__name__}: {error}"
    problems.append(f"{what}: {why}")
    return {"ok": False, "problem": why}


async def _providers(
    host: PluginHost, settings: Settings | None, problems: list[str], notes: list[str]
) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}

    async def look(name: str) -> None:
        seen[name] = await look_at_provider(host.providers[name], settings, os.environ)

    async with anyio.create_task_group() as tasks:
        for name in host.providers:
            tasks.start_soon(look, name)
    for name, one in sorted(seen.items()):
        if one["installed"] and "problem" in one:
            problems.append(f"provider {name}: {one['problem']}")
        elif "problem" in one:
            notes.append(
                f"provider {name}: {one['problem']}; {one['recovery'] or 'its plugin names no way to install it'}"
            )
        elif one.get("inRange") in ("newer", "older"):
            first, last = one["seenToWork"]
            notes.append(
                f"provider {name}: {one['version']} is {one['inRange']} than what was seen to work ({first} to {last})"
            )
    return [seen[name] for name in sorted(seen)]


def _tell(report: dict[str, Any]) -> None:
    def row(ok: bool, name: str, text: str) -> None:
        say(f"{state('ok' if ok else 'broken', sys.stdout)}{'    ' if ok else ''}  {name:12} {text}")

    row(
        True,
        "gateway",
        f"{report['version']}, Python {report['python']}, SQLite {report['sqlite']}, {report['system']}",
    )
    if "settings" in report:
        row(
            True,
            "settings",
            report["settings"]["file"] + ("" if report["settings"]["exists"] else " (not there: defaults)"),
        )
        home = report["home"]
        row(
            not any(p.startswith("home:") for p in report["problems"]), "home", f"{home['path']} {home.get('mode', '')}"
        )
        for name in ("store", "engine"):
            jobs = " ".join(f"{count} {word}" for word, count in report[name].get("jobs", {}).items())
            row(report[name]["ok"], name, f"{report[name]['url']} {jobs}")
    for one in report.get("plugins", ()):
        row(one["ok"], one["name"], one["message"] if one["ok"] else "see below")
    for one in report["providers"]:
        if one["installed"]:
            row(
                "problem" not in one,
                one["name"],
                f"{one.get('version') or 'version unknown'} {one['path']}, {_LOGIN[one['login']]}",
            )
        else:
            say(f"{styled('-', 'dim', sys.stdout)}       {one['name']:12} not installed")
    for note in report["notes"]:
        say(f"{styled('note', 'yellow', sys.stdout)}    {note}")
    for problem in report["problems"]:
        say(f"{state('broken', sys.stdout)}  {problem}")
    say("everything is in order" if report["ok"] else f"{len(report['problems'])} broken")
