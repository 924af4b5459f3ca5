"""Write settings.md, hooks.md and errors.md from the code: `python docs/reference/generate.py`. A test compares them."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from llm_gateway import errors, hookspecs
from llm_gateway.cli.reference import SettingKey, reference
from llm_gateway.hookspecs import HOOKS, OWNER
from llm_gateway.settings.keys import FIXED_NAMES, OTHER_NAMES

HERE = Path(__file__).parent
NOTE = "<!-- Made by docs/reference/generate.py from the code. Do not edit. -->\n"

#: What a caller can do about errors whose class has no recovery sentence of its own: the message knows more.
WHAT_TO_DO = {
    "invalid_request": "Change the request as the message says.",
    "approval_denied": "Ask for a lower posture, or talk to whoever runs the policy that is named.",
    "unknown_mcp_server": "Leave the name out of `mcpServers`, or register the server under `[mcp_servers.<name>]`.",
    "not_installed": "Run the install command that the error names.",
    "version_unsupported": "Upgrade the program: `cli_upgrade` shows the command.",
    "store_unavailable": "Look at `llm-gateway doctor`; then send the request again.",
    "auth_required": "Log in with the command that the error names.",
    "quota_exhausted": "Wait until `resetAt`, when it is known, or use another provider.",
    "overloaded": "Wait a little, then send the request again.",
    "tool_denied": "Ask for a higher posture, or name the tool in `allowedTools`.",
    "output_unreadable": "Read the raw output with `llm_job_result` and `raw`; look whether the program is newer than what was tested.",
    "output_overflow": "Ask for less output, or raise `[limits] output_bytes`.",
    "empty_output": "Send the request again; look at stderr with `llm_job_result` and `raw`.",
    "provider_failed": "Read `providerMessage`, and stderr with `llm_job_result` and `raw`.",
}


def settings_page() -> str:
    """Every key, by section."""
    sections: dict[str, list[SettingKey]] = {}
    for key in reference():
        sections.setdefault(".".join(key.path[:-1]), []).append(key)
    parts = [
        "# Settings\n",
        NOTE,
        (
            "One file, `config.toml` in the home (`~/.llm-cli-gateway`). Every key has a default, so the file may be missing.\n"
            "Broken TOML, an unknown key or a bad value: the gateway does not start, and names each line that is wrong.\n"
            "Environment variables override the file; an empty one counts as not set. `llm-gateway config` shows what is in\n"
            "force and where it came from. Plugins add keys of their own: see their manuals.\n"
        ),
    ]
    for section, keys in sections.items():
        parts.append(f"## {f'`[{section}]`' if section else 'At the top'}\n")
        for key in keys:
            env = f" Environment: {', '.join(f'`{name}`' for name in key.env)}." if key.env else ""
            parts.append(f"### `{key.path[-1]}`\n\n{key.description}\n\nA {key.type}. Default: `{key.default}`.{env}\n")
    parts.append("## Environment variables that are no keys\n")
    parts.append("\n".join(f"- `{name}`: {text}" for name, text in OTHER_NAMES.items()) + "\n")
    parts.append(
        "`LLM_GATEWAY_JOB_RETENTION_DAYS` and `LLM_GATEWAY_DEDUP_WINDOW_MS` are older names of keys; to set a key by both of\n"
        "its names is an error. A variable with this prefix that means nothing is shown by `llm-gateway doctor`.\n"
    )
    assert set(FIXED_NAMES) == {"LLM_GATEWAY_JOB_RETENTION_DAYS", "LLM_GATEWAY_DEDUP_WINDOW_MS"}
    return "\n".join(parts)


def hooks_page() -> str:
    """Every hook: signature, meaning, parameters, example."""
    parts = ["# Hooks\n", NOTE, f"{inspect.cleandoc(hookspecs.__doc__ or '')}\n"]
    for name, spec in HOOKS.items():
        options = spec.llm_gateway_spec  # type: ignore[attr-defined]  # set by the marker
        owner = OWNER.get(name)
        asked = (
            f"one plugin of kind {owner}"
            if owner
            else "every plugin" + (" until one answers" if options["firstresult"] else "")
        )
        signature = str(inspect.signature(spec)).replace("'", "")
        parts.append(
            f"## `{name}`\n\n```python\ndef {name}{signature}\n```\n\nAsked: {asked}.\n\n{_prose(spec.__doc__ or '')}"
        )
    return "\n".join(parts)


def _prose(docstring: str) -> str:
    """A docstring as Markdown: parameters as a list, the example as code."""
    text, _, example = inspect.cleandoc(docstring).partition("\nExample:\n")
    text = re.sub(r"^:param (\w+):", r"- `\1`:", text, flags=re.MULTILINE)
    text = re.sub(r"^None: ", "Answering `None`: ", text, flags=re.MULTILINE)
    code = textwrap.dedent(example).rstrip()
    return f"{text.rstrip()}\n" + (f"\n```python\n{code}\n```\n" if code else "")


def errors_page() -> str:
    """Every code of the closed set, by what the caller can decide."""
    parts = [
        "# Errors\n",
        NOTE,
        (
            "A failed call has `isError` and `error {code, message, retryable, recovery, providerMessage, resetAt}`. `code` is one of\n"
            "the words below and stays what it is; `message` is for people. `retryable` means that the same request may pass\n"
            "later, unchanged. To cancel a job is no error.\n"
        ),
    ]
    for family in errors.GatewayError.__subclasses__():
        parts.append(f"## `{family.__name__}`\n\n{family.__doc__}\n")
        for code, cls in errors.ERRORS.items():
            if issubclass(cls, family):
                todo = cls.default_recovery or WHAT_TO_DO[code]
                retryable = "yes" if cls.retryable else "no"
                parts.append(
                    f"### `{code}`\n\n{cls.__doc__} (`{cls.__name__}`)\n\n- Retryable: {retryable}\n- What to do: {todo}\n"
                )
    return "\n".join(parts)


PAGES = {"settings.md": settings_page, "hooks.md": hooks_page, "errors.md": errors_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
