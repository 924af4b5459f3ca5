"""The page api.md: every public name of `llm_gateway`, read from the code and its comments."""

from __future__ import annotations

import ast
import inspect
import io
import re
import runpy
import sys
import textwrap
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import llm_gateway
from llm_gateway import before_opening, errors, files, git, leases, programs
from llm_gateway.model.reply import Failure

EXAMPLES: Mapping[str, str] = runpy.run_path(str(Path(__file__).with_name("api_examples.py")))["EXAMPLES"]

#: Section -> its names. A public name that is in none of them is listed in the last section.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Describe a provider": (
        *("Provider", "ProviderInfo", "EndStep", "NoOptions", "ModelInfo", "UpgradePlan", "Posture", "Opened"),
        *("Access", "EVERYWHERE", "split_entry", "place_of"),
    ),
    "Requests and commands": (
        *("Request", "Prompt", "McpServer", "Resume", "Session", "Invocation", "RUN_FILES", "Notice"),
        *("find_program", "run_environment", "in_parents", "with_imports"),
    ),
    "Read output": (
        *("OutputReader", "Event", "EventKind", "Summary", "Usage", "Cost", "CostBasis", "RunFacts", "RunEnd"),
        *("EndReason", "LineSplitter", "parse_line", "token_count", "plausible_usd", "judge"),
    ),
    "Explain failures": (
        *("Failure", "FinishedRun", "FailureRule", "Sign", "FailureFacts", "COMMON_FAILURES", "failure_facts"),
        *("named_failure", "http_status", "reset_time", "system_zone", "GatewayError", "error_for"),
    ),
    "Judge and annotate": (
        *("Proposal", "Verdict", "Decision", "VerdictRecord", "Record", "Annotations", "Tally", "CacheAccount"),
        *("Budget", "ContentDigest", "OverBudget", "quoted"),
    ),
    "Add operations, resources, prompts and commands": (
        *("CallContext", "Operation", "Resource", "PromptTemplate", "Command", "Diagnosis", "Wire", "operation"),
        *("check", "answer", "job_view", "error_view", "reply_text", "stamp", "wire_object", "RequestResult"),
        *("MAX_INLINE_CHARS", "Directory", "working_directory"),
    ),
    "Write a store, an engine or a transport": (
        *("Store", "Admission", "Limits", "Job", "JobState", "Reply", "JobId", "SessionId", "NativeSessionId"),
        *("new_job_id", "new_session_id", "to_json", "from_json", "Engine", "RunSpec", "RunView", "Peers"),
        "Spool",
        "Transport",
    ),
    "Open a gateway": ("open_gateway", "find_plugins", "Gateway", "PluginHost", "hookimpl", "API_VERSION"),
    "Programs, files and terminals": (),
}
LAST = "Programs, files and terminals"
MODULES: Mapping[str, ModuleType] = {
    "llm_gateway.before_opening": before_opening,
    "llm_gateway.errors": errors,
    "llm_gateway.files": files,
    "llm_gateway.git": git,
    "llm_gateway.leases": leases,
    "llm_gateway.programs": programs,
}

_INTRO = """\
Everything that a plugin may import from `llm_gateway`, with fields, types, defaults and errors. It is generated from the
code. What stays stable: [the plugin API](plugin-api.md). Where each type is used: [hooks](hooks.md). The contract suites
that test a plugin against all of this: [`llm-gateway-testing`](../../plugins/testing/README.md).

All data classes are frozen and take keyword arguments only. Names that end in `_s` are seconds, in `_bytes` bytes, in
`_usd` US dollars, in `_tokens` tokens. Times are aware `datetime` objects in UTC. `None` means unknown or not given, never
zero.
"""
_WRAPPERS = """\
A plugin of any kind may wrap a hook with `@hookimpl(wrapper=True)`. The kernel loads policies, then extensions, then
providers, each in order of name. A wrapper that is loaded later runs outside of those loaded before it:

1. wrappers with `tryfirst=True`
2. wrappers of extensions, from the last name to the first
3. wrappers of policies, from the last name to the first
4. wrappers with `trylast=True`
5. the hook of the provider, store, engine or transport itself

Each wrapper sees the result of those below it in this list, and its own result goes to those above. A wrapper that raises or
returns a wrong value is named as the cause, not the plugin that it wraps.
"""
_STATUS = """\
A call that is refused has no job: `isError` and `error.code`. A job that has ended has one of these states. `recovery` is the
text that a caller gets if the error contains no better one.

| state of the job | `error.code` | class | retryable | recovery |
|---|---|---|---|---|
"""
_HTTP = """\
If an agent reports only the HTTP status of its model service, the shared rules lead to these codes. The service's text and
error types take precedence: used-up credit, for example, is `quota_exhausted` with any of these statuses.

| HTTP status | `error.code` | retryable |
|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a class, or one constant of a module."""

    name: str
    type: str
    default: str
    text: str


def api_page(note: str) -> str:
    """The page as Markdown, not wrapped."""
    listed = {name for names in SECTIONS.values() for name in names}
    sections = {**SECTIONS, LAST: (*SECTIONS[LAST], *(name for name in llm_gateway.__all__ if name not in listed))}
    parts = ["# API for plugins\n", note, _INTRO]
    parts.append("\n".join(f"- [{title}](#{_anchor(title)})" for title in (*sections, *_MORE)) + "\n")
    for title, names in sections.items():
        parts.append(f"## {title}\n")
        parts += [_entry(name, getattr(llm_gateway, name)) for name in names if name in llm_gateway.__all__]
    parts += [f"## {title}\n\n{text()}" for title, text in _MORE.items()]
    return "\n".join(parts)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _entry(name: str, value: Any) -> str:
    parts = [f"### `{name}`\n"]
    if inspect.isclass(value):
        parts += _class(value)
    elif inspect.isroutine(value) or (callable(value) and hasattr(value, "__signature__")):
        parts += [_code(_signature(name, value)), prose(inspect.getdoc(value) or "")]
    else:
        parts += _constant(name, value)
    if name in EXAMPLES:
        parts.append(_code(textwrap.dedent(EXAMPLES[name]).strip()))
    return "\n".join(part for part in parts if part)


def _class(value: type) -> list[str]:
    kind = "Protocol. " if getattr(value, "_is_protocol", False) and value is not Protocol else ""
    parts = [prose(kind + (inspect.getdoc(value) or ""))]
    fields = _fields(value)
    if issubclass(value, Enum):
        parts.append("| member | value | meaning |\n|---|---|---|")
        texts = {each.name: each.text for each in fields}
        parts[-1] += "".join(f"\n| `{m.name}` | `{m.value}` | {_cell(texts.get(m.name, ''))} |" for m in value) + "\n"
    elif fields:
        rows = [f"| `{f.name}` | `{_cell(f.type)}` | {_default(f)} | {_cell(f.text)} |" for f in fields]
        parts.append("\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n")
    for name, member in vars(value).items():
        text = inspect.getdoc(member) if isinstance(member, property) or inspect.isroutine(member) else None
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if name.startswith("_") or issubclass(value, Enum):
            continue
        if isinstance(member, property):
            parts.append(f"- `{name}`: {_joined(text)}")
        elif inspect.isfunction(function):
            parts.append(f"- `{_signature(name, function)}`: {_joined(text)}")
    if parts[-1].startswith("- "):
        parts[-1] += "\n"
    return parts


def _constant(name: str, value: Any) -> list[str]:
    found = next((each for each in _constants(name) if each.name == name), None)
    shown = repr(value)
    parts = [f"`{shown}`\n"] if len(shown) < 80 and not callable(value) else []
    return [*parts, f"{_sentence(found.text)}\n" if found and found.text else f"{_DESCRIBED.get(name, '')}\n"]


_DESCRIBED = {
    "COMMON_FAILURES": "The shared rules, a tuple of `FailureRule`, in the order in which they are tried.",
    "EVERYWHERE": "The `places` of a tool that opens every file.",
    "hookimpl": "Marks a function as the implementation of a hook: `@hookimpl`, or `@hookimpl(wrapper=True)`.",
}


def _default(field: Field) -> str:
    return f"`{_cell(field.default)}`" if field.default else "required"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", ":")) else f"{text}."


def _joined(text: str | None) -> str:
    return re.sub(r"\s+", " ", re.sub(r":param (\w+):", r"`\1`:", text or "")).strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def prose(docstring: str) -> str:
    """A docstring as Markdown: parameters as a list, the example as code."""
    text, _, example = inspect.cleandoc(docstring).partition("\nExample:\n")
    text = re.sub(r"^:param (\w+):", r"- `\1`:", text, flags=re.MULTILINE)
    text = re.sub(r"^ {4}(?=\S)", "  ", text, flags=re.MULTILINE)  # the rest of a parameter's text
    text = re.sub(r"^None: ", "Answering `None`: ", text, flags=re.MULTILINE)
    code = textwrap.dedent(example).rstrip()
    return f"{text.rstrip()}\n" + (f"\n```python\n{code}\n```\n" if code else "")


def _signature(name: str, function: Any) -> str:
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    text = re.sub(r"<[^>]* at 0x\w+>|\benviron\(\{.*?\}\)", "…", text)
    start = "async def" if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) else "def"
    return f"{start} {name}{text}"


def _fields(value: type) -> list[Field]:
    try:
        source = textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        return []
    body = ast.parse(source).body[0]
    return list(_read(source, body.body)) if isinstance(body, ast.ClassDef) else []


def _constants(name: str) -> Iterable[Field]:
    """The constants of the module that defines this name."""
    interface = Path(llm_gateway.__file__ or "").with_suffix(".pyi").read_text("utf-8")
    imports = [node for node in ast.parse(interface).body if isinstance(node, ast.ImportFrom)]
    module = next((node.module for node in imports if name in {alias.name for alias in node.names}), None)
    path = getattr(sys.modules.get(module or ""), "__file__", None)
    if path is None:
        return ()
    source = Path(path).read_text("utf-8")
    return _read(source, ast.parse(source).body)


def _read(source: str, body: Iterable[ast.stmt]) -> Iterable[Field]:
    """Fields with the comments `#:` behind or above them."""
    comments = _comments(source)
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, kind, value = node.target.id, ast.unparse(node.annotation), node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, kind, value = node.targets[0].id, "", node.value
        else:
            continue
        if name.startswith("_") or name == "model_config":
            continue
        above: list[str] = []
        line = node.lineno - 1
        while line in comments and comments[line][1]:
            above.insert(0, comments[line][0])
            line -= 1
        behind = [comments[line][0] for line in range(node.lineno, (node.end_lineno or 0) + 1) if line in comments]
        text = " ".join([*above, *(each[:1].upper() + each[1:] for each in behind if above)] or behind) or _description(
            value
        )
        yield Field(name=name, type=kind, default=_shown(value), text=text)


@cache
def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """Line -> its `#:` comment, and whether the line has nothing else."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            found[token.start[0]] = (token.string[2:].strip(), token.line.lstrip().startswith("#:"))
    return found


def _call(value: ast.expr | None) -> ast.Call | None:
    return value if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else None


def _description(value: ast.expr | None) -> str:
    call = _call(value)
    texts = [word.value for word in call.keywords if word.arg == "description"] if call else []
    return str(ast.literal_eval(texts[0])) if texts and isinstance(texts[0], ast.Constant) else ""


def _shown(value: ast.expr | None) -> str:
    if value is None:
        return ""
    call = _call(value)
    if call and isinstance(call.func, ast.Name) and call.func.id == "field":
        return "{}"
    if call and isinstance(call.func, ast.Name) and call.func.id == "Field":
        return ast.unparse(call.args[0]).replace("...", "") if call.args else ""
    return "a function that returns " + ast.unparse(value.body) if isinstance(value, ast.Lambda) else ast.unparse(value)


def _statuses() -> str:
    rows = []
    for code, error in errors.ERRORS.items():
        run = issubclass(error, errors.RunError)
        state = "`interrupted`" if code == "interrupted" else "`failed`" if run else "no job"
        again = "yes" if error.retryable else "no"
        rows.append(f"| {state} | `{code}` | `{error.__name__}` | {again} | {_cell(error.default_recovery or '')} |")
    ended = "| `completed` | none | | | |\n| `canceled` | none | | | |"
    return _STATUS + "\n".join([ended, *rows]) + "\n\n" + _HTTP + "\n".join(_http_rows()) + "\n"


def _http_rows() -> Iterable[str]:
    for status in (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529):
        facts = llm_gateway.FailureFacts(message="the service answered", status=status, failed=True, ended=True)
        failure: Failure = llm_gateway.named_failure(facts, llm_gateway.COMMON_FAILURES)
        retryable = errors.ERRORS[failure.code].retryable if failure.retryable is None else failure.retryable
        yield f"| {status} | `{failure.code}` | {'yes' if retryable else 'no'} |"


def _modules() -> str:
    parts = []
    for name, module in MODULES.items():
        parts.append(f"### `{name}`\n\n{prose(module.__doc__ or '').split(chr(10) + chr(10))[0].strip()}\n")
        if module is errors:
            parts.append("Every class with its code: [errors](errors.md).\n")
            continue
        members = sorted((key, value) for key, value in vars(module).items() if not key.startswith("_"))
        for key, value in members:
            if inspect.isfunction(value) and value.__module__.startswith(name):
                parts.append(f"- `{_signature(key, value)}`: {_joined(inspect.getdoc(value))}")
        parts.append("")
    return "\n".join(parts)


_MORE = {
    "Order of wrappers": lambda: _WRAPPERS,
    "Status, code and recovery": _statuses,
    "Other modules": _modules,
}
