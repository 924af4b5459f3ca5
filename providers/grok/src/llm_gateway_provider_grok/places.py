"""Which files the entries of allowedTools open in Grok, and which places no level below `bypass` may look into. Pure.

Measured with 1.0.41: Grok looks at any file of the disk on every level, whether `Read` is allowed or not. A denial holds for
`read_file`, `grep`, `list_dir`, for links that lead there, and for commands that Grok knows to read files (`cat`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from llm_gateway import Access, Opened, Request, place_of
from llm_gateway_provider_grok.rules import Rule, read_rule

#: Where login, settings and conversations lie.
PRIVATE = ("$GROK_HOME", "$GROK_AUTH_PATH", "~/.grok")
#: Below the home: keys, and logins of other services and agents.
SECRETS = (
    *(".ssh", ".gnupg", ".password-store", ".local/share/keyrings", ".netrc", ".git-credentials", ".pgpass"),
    *(".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".config/op", ".npmrc", ".pypirc"),
    *(".mozilla", ".config/google-chrome", ".config/chromium", ".claude", ".codex", ".gemini", ".vibe"),
)
_EDITING = ("Edit", "Write")
_LOOKING = ("Read", "Grep", "Glob")
_ACCESS = {"Bash": Access.SHELL, "MCPTool": Access.SERVER}


def opens(request: Request) -> list[Opened]:
    """What each entry opens. Raises InvalidRequest for what Grok would pass over."""
    return [_opened(entry, request.working_dir) for entry in request.allowed_tools]


def confined(rule: Rule) -> Rule:
    """A bare rule for editing means inside of the working directory."""
    return Rule("Edit", "./**") if rule.tool in _EDITING and rule.pattern is None else rule


def denied_secrets(allowed: Sequence[Rule], base: str) -> Iterator[Rule]:
    """Rules that keep Grok out of places of keys and logins, but for those that a rule with a pattern opens by name."""
    home = os.path.expanduser("~")
    named = [_place(rule.pattern, base) for rule in allowed if rule.tool in _LOOKING and rule.pattern is not None]
    for secret in SECRETS:
        place = os.path.join(home, secret)
        if any(one == place or one.startswith(place + os.sep) for one in named):
            continue
        for path in (place, os.path.realpath(place), f"~/{secret}"):
            for tool in ("Read", "Grep"):
                yield Rule(tool, path)
                yield Rule(tool, f"{path}/**")


def _opened(entry: str, base: str) -> Opened:
    rule = read_rule(entry)
    if rule.tool == "Bash" and rule.pattern not in (None, "*", ":*", "**"):
        return Opened(entry=entry, access=Access.SHELL_COMMAND)
    if rule.tool not in _EDITING + _LOOKING:
        return Opened(entry=entry, access=_ACCESS.get(rule.tool, Access.OTHER))
    access = Access.EDIT if rule.tool in _EDITING else Access.LOOK
    if rule.pattern is not None:
        return Opened(entry=entry, access=access, places=(place_of(rule.pattern, base),))
    # A bare rule for looking opens nothing that is not open already.
    return Opened(entry=entry, access=access)


def _place(pattern: str, base: str) -> str:
    return os.path.expanduser(place_of(pattern, base))
