"""Which files the entries of allowedTools open in Grok, and which paths no level below `bypass` may read. Pure.

Measured with 1.0.41: Grok can read any file on every level, whether `Read` is allowed or not. A denial applies to `read_file`,
`grep`, `list_dir`, to links to the path, and to commands that Grok knows as reading files (`cat`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from llm_gateway import Access, LocationError, Opened, Request, expand_user, place_of, user_home
from llm_gateway_provider_grok.rules import Rule, read_rule

#: Where login, settings and conversations are stored.
PRIVATE = ("$GROK_HOME", "$GROK_AUTH_PATH", "~/.grok")
#: Keys, and logins of other services and agents, relative to the home.
SECRETS = (
    *(".ssh", ".gnupg", ".password-store", ".local/share/keyrings", ".netrc", ".git-credentials", ".pgpass"),
    *(".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".config/op", ".npmrc", ".pypirc"),
    *(".mozilla", ".config/google-chrome", ".config/chromium", ".claude", ".codex", ".gemini", ".vibe"),
)
_EDITING = ("Edit", "Write")
_READING = ("Read", "Grep", "Glob")
_ACCESS = {"Bash": Access.SHELL, "MCPTool": Access.SERVER}


def opens(request: Request) -> list[Opened]:
    """Return what each entry opens. Raises InvalidRequest for entries that Grok would ignore."""
    return [_opened(entry, request.working_dir) for entry in request.allowed_tools]


def confined(rule: Rule) -> Rule:
    """Limit a rule for editing without a pattern to the working directory."""
    return Rule("Edit", "./**") if rule.tool in _EDITING and rule.pattern is None else rule


def denied_secrets(allowed: Sequence[Rule], base: str) -> Iterator[Rule]:
    """Yield rules that deny the paths of keys and logins, except those that a rule with a pattern names."""
    home = user_home(os.environ, "/")
    named = [_place(rule.pattern, base) for rule in allowed if rule.tool in _READING and rule.pattern is not None]
    for secret in SECRETS:
        secret_path = os.path.join(home, secret)
        if any(path == secret_path or path.startswith(secret_path + os.sep) for path in named):
            continue
        for path in (secret_path, os.path.realpath(secret_path), f"~/{secret}"):
            for tool in ("Read", "Grep"):
                yield Rule(tool, path)
                yield Rule(tool, f"{path}/**")


def _opened(entry: str, base: str) -> Opened:
    rule = read_rule(entry)
    if rule.tool == "Bash" and rule.pattern not in (None, "*", ":*", "**"):
        return Opened(entry=entry, access=Access.SHELL_COMMAND)
    if rule.tool not in _EDITING + _READING:
        return Opened(entry=entry, access=_ACCESS.get(rule.tool, Access.OTHER))
    access = Access.EDIT if rule.tool in _EDITING else Access.LOOK
    if rule.pattern is not None:
        return Opened(entry=entry, access=access, places=(place_of(rule.pattern, base),))
    # A rule for reading without a pattern opens nothing: Grok can already read every file.
    return Opened(entry=entry, access=access)


def _place(pattern: str, base: str) -> str:
    place = place_of(pattern, base)
    try:
        return expand_user(place, os.environ)
    except LocationError:  # the home is not known, so the rule opens nothing there
        return place
