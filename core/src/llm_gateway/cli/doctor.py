"""`llm-gateway doctor`: check the installation. Changes nothing, and does not use the network."""

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
from llm_gateway.cli.hook_commands import usable
from llm_gateway.cli.installed import InstalledCommands
from llm_gateway.cli.masking import masked_url
from llm_gateway.cli.running import Scopes, log_to_stderr, run_async
from llm_gateway.cli.screen import say, say_json, styled, styled_state
from llm_gateway.cli.versions import look_at_provider
from llm_gateway.operations.requests import RESERVED
from llm_gateway.operations.surface import collect
from llm_gateway.plugins import PluginError, PluginHost
from llm_gateway.settings import Settings, SettingsError, load_settings
from llm_gateway.verified_versions import verified_text

_OPEN_S = 15.0


def run(options: argparse.Namespace) -> int:
    """Run the subcommand. The exit code is FAILED if something is broken, NOT_READY if no agent is ready."""
    log_to_stderr()

    async def check(_scopes: Scopes) -> int:
        report = await examine()
        if options.json:
            say_json(report)
        else:
            _show(report)
        if not report["ok"]:
            return Exit.FAILED
        return Exit.OK if report["ready"] or not report["agents"] else Exit.NOT_READY

    return run_async(check)


_COMPARISONS = {
    "newer": "newer than the tested versions",
    "older": "older than the tested versions",
    "unreleased": "not one of the released versions that were tested",
}
_LOGIN = {"yes": "logged in", "no": "not logged in", "unknown": "login unknown"}


async def examine() -> dict[str, Any]:
    """Check everything and return a report. `problems` are faults, `notes` are hints."""
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
    agents, ready = _readiness(report["providers"])
    return {"ok": not problems, "agents": agents, "ready": ready, **report, "problems": problems, "notes": notes}


def _readiness(reports: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the names of the agents, which need a login, and of those that are installed and not known to be logged out."""
    agents = [report for report in reports if report.get("loginCommand")]
    ready = [report for report in agents if report["installed"] and report["login"] != "no" and "problem" not in report]
    return [report["name"] for report in agents], [report["name"] for report in ready]


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
    """Pass the plugins their settings and collect their operations and commands: the host then reports conflicting names."""
    try:
        host.configure(settings.plugins, settings.provider_options)
    except PluginError as error:
        problems.append(f"settings: {error}")
        return False
    collect(host)
    installed = InstalledCommands(os.environ)
    installed.load_all()
    problems += installed.problems
    usable(host, installed)
    return True


def _home(home: Path, problems: list[str], notes: list[str]) -> dict[str, Any]:
    try:
        facts = home.stat()
    except FileNotFoundError:
        notes.append(f"home: {home} does not exist yet; the first start creates it")
        return {"path": str(home), "exists": False}
    except OSError as error:
        problems.append(f"home: {home}: {error.strerror}")
        return {"path": str(home), "exists": True}
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        problems.append(
            f"home: other users can access {home} (mode {mode:04o}); run chmod 700, or start the gateway, which does it"
        )
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        problems.append(f"home: {home} belongs to another user")
    elif not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        problems.append(f"home: {home} is not writable")
    return {"path": str(home), "exists": True, "mode": f"{mode:04o}"}


async def _store(host: PluginHost, settings: Settings, problems: list[str]) -> dict[str, Any]:
    url = masked_url(settings.store.url)

    async def check() -> dict[str, Any]:
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

    return {"url": url, **await _try(f"store {url}", check, problems)}


async def _engine(host: PluginHost, settings: Settings, problems: list[str]) -> dict[str, Any]:
    url = masked_url(settings.engine.url)

    async def check() -> dict[str, Any]:
        engine = host.open_engine(settings.engine.url, str(settings.home))
        await engine.aopen()
        await engine.aclose()
        return {}

    return {"url": url, **await _try(f"engine {url}", check, problems)}


def _diagnoses(host: PluginHost, problems: list[str]) -> list[dict[str, Any]]:
    """Return the checks of the plugins. Blocking."""
    diagnoses = [diagnosis for _, diagnosis in host.diagnoses()]
    problems += [f"{diagnosis.name}: {diagnosis.message}" for diagnosis in diagnoses if not diagnosis.ok]
    return [{"name": diagnosis.name, "ok": diagnosis.ok, "message": diagnosis.message} for diagnosis in diagnoses]


async def _try(name: str, check: Callable[[], Awaitable[dict[str, Any]]], problems: list[str]) -> dict[str, Any]:
    try:
        with anyio.fail_after(_OPEN_S):
            return {"ok": True, **await check()}
    except TimeoutError:
        problem = f"no answer in {_OPEN_S:.0f} s"
    except Exception as error:  # a plugin can raise anything, and the report must show it
        explanation = explain(error)
        if explanation is None:
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = explanation.text.removeprefix("llm-gateway: ")
    problems.append(f"{name}: {problem}")
    return {"ok": False, "problem": problem}


async def _providers(
    host: PluginHost, settings: Settings | None, problems: list[str], notes: list[str]
) -> list[dict[str, Any]]:
    reports: dict[str, dict[str, Any]] = {}

    async def check(name: str) -> None:
        reports[name] = await look_at_provider(host.providers[name], settings, os.environ)

    async with anyio.create_task_group() as tasks:
        for name in host.providers:
            tasks.start_soon(check, name)
    for name, provider in sorted(reports.items()):
        if provider["installed"] and "problem" in provider:
            problems.append(f"provider {name}: {provider['problem']}")
        elif "problem" in provider:
            notes.append(f"provider {name}: {provider['problem']}")
        if provider.get("breaks"):
            notes.append(f"provider {name}: {provider['version']}: {provider['breaks']}; upgrade it")
        if provider.get("inRange", "yes") != "yes":
            first, last = provider["seenToWork"]
            comparison = _COMPARISONS[provider["inRange"]]
            notes.append(f"provider {name}: {provider['version']} is {comparison} ({first} to {last})")
        notes += _verified_notes(name, provider, problems)
    return [reports[name] for name in sorted(reports)]


def _verified_notes(name: str, provider: dict[str, Any], problems: list[str]) -> list[str]:
    """Return what `llm-gateway verify` found, as notes. A breach becomes a problem."""
    verified = provider.get("verified")
    if not verified:
        return []
    text = f"provider {name}: {provider['version']}: {verified_text(verified)}"
    if verified["breaches"]:
        problems.append(f"{text}. It permits more than it should: upgrade it, or do not use it")
        return []
    return [text]


def _row(ok: bool, name: str, text: str) -> None:
    mark = f"{styled_state('ok', sys.stdout)}    " if ok else styled_state("broken", sys.stdout)
    say(f"{mark}  {name:12} {text}")


def _show(report: dict[str, Any]) -> None:
    versions = f"{report['version']}, Python {report['python']}, SQLite {report['sqlite']}, {report['system']}"
    _row(True, "gateway", versions)
    if "settings" in report:
        _show_home(report)
    for plugin in report.get("plugins", ()):
        _row(plugin["ok"], plugin["name"], plugin["message"] if plugin["ok"] else "see below")
    for provider in report["providers"]:
        if provider["installed"]:
            version = provider.get("version") or "version unknown"
            text = f"{version} {provider['path']}, {_LOGIN[provider['login']]}"
            _row("problem" not in provider, provider["name"], text)
            _show_configuration(provider.get("configuration"))
        else:
            say(f"{styled('-', 'dim', sys.stdout)}       {provider['name']:12} not installed")
    _show_readiness(report)
    for note in report["notes"]:
        say(f"{styled('note', 'yellow', sys.stdout)}    {note}")
    for problem in report["problems"]:
        say(f"{styled_state('broken', sys.stdout)}  {problem}")
    say("everything is in order" if report["ok"] else f"{len(report['problems'])} broken")


def _show_configuration(configuration: dict[str, Any] | None) -> None:
    if configuration is None or "problem" in configuration:
        return
    model, endpoint = configuration["model"] or "default", configuration["endpoint"] or "default"
    say(f"{'':21}config {configuration['source']}, model {model}, endpoint {endpoint}")
    for path in (*configuration["files"], *configuration["instructionFiles"]):
        say(f"{'':21}{path}")


def _show_readiness(report: dict[str, Any]) -> None:
    """Print how to install and log in to each agent that is not ready, and whether any is."""
    waiting = [
        one for one in report["providers"] if one["name"] in report["agents"] and one["name"] not in report["ready"]
    ]
    for one in waiting:
        steps = [] if one["installed"] else [one.get("install") or one.get("recovery") or "see its vendor's pages"]
        say(
            f"{styled('set up', 'yellow', sys.stdout)}  {one['name']:12} {', then '.join([*steps, one['loginCommand']])}"
        )
    if report["agents"] and not report["ready"]:
        say("no agent is ready: install one and log in with the commands above")


def _show_home(report: dict[str, Any]) -> None:
    settings, home = report["settings"], report["home"]
    missing = "" if settings["exists"] else " (does not exist: defaults)"
    _row(True, "settings", f"{settings['file']}{missing}")
    home_ok = not any(problem.startswith("home:") for problem in report["problems"])
    _row(home_ok, "home", f"{home['path']} {home.get('mode', '')}")
    for name in ("store", "engine"):
        jobs = " ".join(f"{count} {status}" for status, count in report[name].get("jobs", {}).items())
        _row(report[name]["ok"], name, f"{report[name]['url']} {jobs}")
