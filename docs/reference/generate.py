"""Write the reference pages from the code: `python docs/reference/generate.py`. A test compares them.

settings.md, hooks.md, errors.md and providers.md are made whole. In tools.md the parameters are: the tables of the providers' own
parameters, and the rows "takes". The other text of that page is written by hand. The prebuilt listing of the MCP transport is written
too.
"""

from __future__ import annotations

import inspect
import json
import re
import runpy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from llm_gateway import Operation, PluginHost, Posture, ProviderInfo, errors, hookspecs
from llm_gateway.cli.reference import SettingKey, reference
from llm_gateway.hookspecs import HOOKS, OWNER
from llm_gateway.model.provider import SUPPORTABLE
from llm_gateway.naming import wire_names
from llm_gateway.settings.keys import FIXED_NAMES, OTHER_NAMES
from llm_gateway_extension_operations.plugin import gateway_operations
from llm_gateway_extension_review.operations import OPERATIONS as REVIEWS
from llm_gateway_transport_mcp.schema import input_schema

HERE = Path(__file__).parent
NOTE = "<!-- Made by docs/reference/generate.py from the code. Do not edit. -->\n"

KIT = "provider-kit"  #: a library in the same folder as the providers
_API = runpy.run_path(str(HERE / "api_page.py"))
_wrapped: Callable[[str], str] = runpy.run_path(str(HERE.parents[1] / ".ci/wrap.py"))["wrapped"]
_prose: Callable[[str], str] = _API["prose"]


def settings_page() -> str:
    """Every key, by section."""
    sections: dict[str, list[SettingKey]] = {}
    for key in reference():
        sections.setdefault(".".join(key.path[:-1]), []).append(key)
    parts = [
        "# Settings\n",
        NOTE,
        (
            "The settings are in one file, `config.toml` in the home (`~/.llm-cli-gateway`). Every key has a default, so the\n"
            "file may be missing. With invalid TOML, an unknown key or an invalid value the gateway does not start, and names\n"
            "each line that is wrong. Environment variables override the file; an empty one counts as not set.\n"
            "`llm-gateway config` shows the values that apply and their source. Plugins add their own keys: see their\n"
            "README.\n"
        ),
    ]
    for section, keys in sections.items():
        parts.append(f"## {f'`[{section}]`' if section else 'At the top'}\n")
        for key in keys:
            env = f" Environment: {', '.join(f'`{name}`' for name in key.env)}." if key.env else ""
            parts.append(f"### `{key.path[-1]}`\n\n{key.description}\n\nA {key.type}. Default: `{key.default}`.{env}\n")
    parts.append("## Other environment variables\n")
    parts.append("\n".join(f"- `{name}`: {text}" for name, text in OTHER_NAMES.items()) + "\n")
    parts.append(
        "`LLM_GATEWAY_JOB_RETENTION_DAYS` and `LLM_GATEWAY_DEDUP_WINDOW_MS` are older names of keys; setting a key by both of\n"
        "its names is an error. `llm-gateway doctor` lists variables with this prefix that are unknown.\n"
    )
    assert set(FIXED_NAMES) == {"LLM_GATEWAY_JOB_RETENTION_DAYS", "LLM_GATEWAY_DEDUP_WINDOW_MS"}
    return "\n".join(parts)


def hooks_page() -> str:
    """Every hook: signature, meaning, parameters, example."""
    parts = ["# Hooks\n", NOTE, f"{inspect.cleandoc(hookspecs.__doc__ or '')}\n"]
    for name, spec in HOOKS.items():
        options = spec.llm_gateway_spec  # type: ignore[attr-defined]  # set by the marker
        owner = OWNER.get(name)
        called_on = (
            f"one plugin of kind {owner}"
            if owner
            else "every plugin" + (" until one returns a value" if options["firstresult"] else "")
        )
        signature = str(inspect.signature(spec)).replace("'", "")
        parts.append(
            f"## `{name}`\n\n```python\ndef {name}{signature}\n```\n\nCalled on: {called_on}.\n\n{_prose(spec.__doc__ or '')}"
        )
    return "\n".join(parts)


def api_page() -> str:
    """Every public name of `llm_gateway`."""
    page: str = _API["api_page"](NOTE)
    return page


def errors_page() -> str:
    """Every code of the closed set, by what the caller can decide."""
    parts = [
        "# Errors\n",
        NOTE,
        (
            "A failed call has `isError` and `error {code, message, retryable, recovery, providerMessage, resetAt}`. `code` is one of\n"
            "the codes below, which do not change; `message` is for people. `retryable` means that the same request may succeed\n"
            "later, unchanged. Below is the default of each code; a single error may differ (waiting does not restore used-up\n"
            "credit; a failure with a `resetAt` is temporary). Every error has a `recovery`, which says what to do. A canceled\n"
            "job is not an error. The same as one table: [status, code and recovery](api.md#status-code-and-recovery).\n"
        ),
    ]
    for family in errors.GatewayError.__subclasses__():
        parts.append(f"## `{family.__name__}`\n\n{family.__doc__}\n")
        for code, cls in errors.ERRORS.items():
            if issubclass(cls, family):
                retryable = "yes" if cls.retryable else "no"
                parts.append(
                    f"### `{code}`\n\n{cls.__doc__} (`{cls.__name__}`)\n\n- Retryable: {retryable}\n- What to do: {cls.default_recovery}\n"
                )
    return "\n".join(parts)


def providers_page() -> str:
    """Every provider of this repository, program by program, side by side."""
    host = _providers()
    names = sorted(host.providers)
    programs = [info for name in names for info in host.providers[name].programs.values()]
    rows = [("", [f"**{info.name}**{f' ({info.variant})' if info.variant else ''}" for info in programs])]
    rows += [(title, [shown(info) for info in programs]) for title, shown in _ROWS.items()]
    rows += [(f"`{level.value}`", [_level(info, level) for info in programs]) for level in Posture]
    rows += [
        (f"`{name}`", ["yes" if name in info.supports else "no" for info in programs])
        for name in sorted(SUPPORTABLE - {"sessionId"})
    ]
    head, *body = [f"| {title} | {' | '.join(cells)} |" for title, cells in rows]
    table = "\n".join([head, "|---" * (len(programs) + 1) + "|", *body])
    return (
        f"# Providers side by side\n\n{NOTE}\n{_PROVIDERS}\n{table}\n\n{_OWN_SETTINGS}\n{_POSTURES}\n{postures_table()}"
    )


def tools_page() -> str:
    """The page of the tools, with the parameters and their descriptions as the code has them."""
    host = _providers()
    page = (HERE / "tools.md").read_text("utf-8")
    before, _, rest = page.partition("### Parameters of `")
    _, heading, after = rest.partition("### The answer\n")
    tables = [_options_table(info) for _, info in sorted(host.providers.items())]
    page = before + "".join(tables) + heading + after
    for operation in [*gateway_operations(), *REVIEWS]:
        start = page.index(f"## `{operation.name}`\n")
        found = _TAKES.search(page, start)
        assert found, f"the section of {operation.name} has no row `takes`"
        page = page[: found.start()] + f"| takes | {_takes(operation)} |" + page[found.end() :]
    return page


_TAKES = re.compile(r"^\| takes \|.*\|$", re.MULTILINE)


def _options_table(info: ProviderInfo) -> str:
    rows = [f"| `{name}` | {text} |" for name, text in _described(info.options_model)]
    head = f"### Parameters of `{info.name}`\n\n| parameter | meaning |\n|---|---|\n"
    return head + "\n".join(rows) + "\n\n"


def _takes(operation: Operation) -> str:
    rows = [f"`{name}`: {text}" for name, text in _described(operation.params)]
    return "<br>".join(rows) or "Nothing"


def _described(model: type[BaseModel]) -> list[tuple[str, str]]:
    """The parameters of a model by their names on the wire, each with its choices or its default and its description."""
    properties = input_schema(model)["properties"]
    required = input_schema(model).get("required", ())
    return [(name, _meaning(schema, needed=name in required)) for name, schema in properties.items()]


def _meaning(schema: Mapping[str, Any], *, needed: bool) -> str:
    text = str(schema["description"])
    if needed:
        text += " Required."
    if "enum" in schema:
        text += " One of " + ", ".join(f"`{choice}`" for choice in schema["enum"]) + "."
    if "default" in schema:
        text += f" Default: `{json.dumps(schema['default']).strip(chr(34))}`."
    return text.replace("|", "\\|")


def _providers() -> PluginHost:
    names = sorted(
        folder.name for folder in (HERE.parents[1] / "providers").iterdir() if folder.is_dir() and folder.name != KIT
    )
    host = PluginHost.discover({})
    host.load(("provider",), names)
    return host


def postures_table() -> str:
    """What each program really does on each posture, as its tests measured it."""
    measured = json.loads((HERE / "postures.json").read_text("utf-8"))
    lines = ["| | posture | files read | files written | programs | their network |", "|---|---|---|---|---|---|"]
    for name, postures in sorted(measured.items()):
        for posture in (level.value for level in Posture if level.value in postures):
            cells = postures[posture]
            shown = [cells[kind] or "-" for kind in ("reads", "writes", "programs", "network")]
            lines.append(f"| {name} | `{posture}` | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


_PROVIDERS = """\
The table shows what each plugin declares about its program. A posture with "no" is refused, and the refusal names the nearest level
that the program can enforce. A parameter with "no" is refused as well, never ignored (except `cacheControl`: a warning). "Silent"
programs print only when they end, so `idleTimeoutMs` is refused for them. The flags of each level are on the program's page under
`docs/how-to/`.
"""
_OWN_SETTINGS = """\
## What a run takes from its user

With `[providers.<name>] config = "user"`, the default, a run and the bare program in the same directory and home send the same model, the same account and
the same instructions to the same service. `tests/real_clis/test_own_settings.py` (Claude Code, Codex) and `test_own_configuration.py` (Gemini CLI, Grok, Mistral Vibe) compare
them. `isolated` leaves out the user's settings and instructions; the login stays, and so do the project's instructions. Hooks, plugins and MCP servers of the user start only with
`user_hooks` and `user_mcp_servers`. Programs that are not in the table read what they read by themselves.

| | claude | codex | gemini | grok | mistral |
|---|---|---|---|---|---|
| Model, account, service, headers of the user | `settings.json`, with `apiKeyHelper` and `env` | `config.toml`, without `shell_environment_policy` and profiles | `settings.json`: model and authentication; `~/.gemini/.env` | `config.toml` | `config.toml`, `.env` and the variables that `api_key_env_var` names |
| Instructions | the same files in the same order, as text in the system prompt | read by the program | read by the program | the files that it reads in a folder that it trusts, as text | `AGENTS.md` of a folder that it trusts, as text |
| A link out of the repository | left out (`instruction_link`) | followed (`instruction_link`) | followed (`instruction_link`) | left out (`instruction_link`) | left out (`instruction_link`) |
| A hostile project | nothing starts or applies; the bare program runs its hooks, helper and servers and uses its service | nothing starts or applies, also where the program trusts the project | the same | the same; a trusting bare program runs its hooks, servers and `.envrc` | the same; a trusting bare program runs its hooks and uses its service |
| A project that `llm-gateway trust` names, with `config = "project"` | by the same rules as the user's | model, effort, instructions, MCP servers | by the same rules, without authentication | MCP servers, hooks, rules that deny | models, services, MCP servers, hooks |
| Permission rules and sandbox settings that allow | do not apply; rules that deny or ask do | do not apply; rule files only under `bypass` | do not apply; what leaves tools out does | do not apply, also those for Claude Code; rules that deny do | do not apply |
| What `isolated` cannot leave out | - | `~/.codex/AGENTS.md` (`instructions_kept`) | - | - | - |
"""
_POSTURES = """\
## What a run can do alone

This table was measured: `tests/real_clis/test_postures_measured.py` lets each real program (for Gemini: Gemini CLI) try each action on each posture, with its own tools and with its shell, and compares the result with this table. "Inside" is the
working directory. "Looking" programs are those like `cat` that the agent considers harmless. The network column is about programs that a run starts; the agents' own tools that fetch pages are not tested. `allowedTools`, `addDirs`, MCP servers and the
user's own settings allow more; [a wall](../how-to/wall.md) restricts the rest.
"""
_ROWS: dict[str, Callable[[ProviderInfo], str]] = {
    "Program": lambda info: f"{info.title}, `{info.executable}`",
    "Install": lambda info: f"`{info.install}`" if info.install else "",
    "Log in": lambda info: f"`{info.login}`" if info.login else "",
    "Tested versions": lambda info: " to ".join(dict.fromkeys(info.versions_seen or ())),
    "Output during a run": lambda info: "silent" if info.silent else "yes",
    "Continues conversations": lambda info: "yes" if "sessionId" in info.supports else "no",
    "Own parameters": lambda info: ", ".join(f"`{name}`" for name in sorted(wire_names(info.options_model))),
    "Own environment variables": lambda info: ", ".join(f"`{name}`" for name in info.env),
}


def _level(info: ProviderInfo, level: Posture) -> str:
    held = "yes" if level in info.postures else "no"
    return f"{held}, the default" if level is info.default_posture else held


_PAGES = {
    "settings.md": settings_page,
    "hooks.md": hooks_page,
    "errors.md": errors_page,
    "providers.md": providers_page,
    "api.md": api_page,
    "tools.md": tools_page,
}
#: File -> the function that makes it, wrapped at 120 columns.
PAGES: dict[str, Callable[[], str]] = {
    name: partial(lambda page: _wrapped(page()), page) for name, page in _PAGES.items()
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
    runpy.run_path(str(HERE.parents[1] / "plugins/transport-mcp/make_listings.py"), run_name="__main__")
