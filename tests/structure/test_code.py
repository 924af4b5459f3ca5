"""How the code stands: who may import whom, how long a file may be, and what a test may not do."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import llm_gateway

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "core/src/llm_gateway"
PLUGINS = sorted(path for kind in ("providers", "stores", "plugins") for path in ROOT.glob(f"{kind}/*/src/*/"))
OPEN_MODULES = {
    "llm_gateway",
    "llm_gateway.before_opening",
    "llm_gateway.errors",
    "llm_gateway.files",
    "llm_gateway.git",
    "llm_gateway.leases",
    "llm_gateway.programs",
}
KIT = "llm_gateway_provider_kit"  #: what providers share, and only they may import
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
CLOCKS = {"time", "anyio", "asyncio", "trio"}


def sources() -> list[Path]:
    folders = ("core", "providers", "stores", "plugins", "tests")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))] + [ROOT / "conftest.py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def imports_of(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Line, module, and the name taken from it (None for a plain import); relative ones stay inside and are left out."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_file_has_a_vague_name() -> None:
    assert [name_of(path) for path in sources() if path.stem in VAGUE or path.parent.name in VAGUE] == []


def test_the_kernel_imports_no_plugin() -> None:
    found = [
        f"{name_of(path)}:{line}: {module}"
        for path in KERNEL.rglob("*.py")
        for line, module, _ in imports_of(path)
        if module.startswith("llm_gateway_")
    ]
    assert found == []


@pytest.mark.parametrize("package", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_only_what_the_kernel_shows_and_no_other_plugin(package: Path) -> None:
    found = []
    for path in package.rglob("*.py"):
        for line, module, name in imports_of(path):
            top = module.partition(".")[0]
            if top == "llm_gateway":
                hidden = module not in OPEN_MODULES or (
                    module == "llm_gateway" and name not in {*llm_gateway.__all__, "errors"}
                )
            else:
                shared = top == KIT and package.parents[2].name == "providers"
                hidden = top.startswith("llm_gateway_") and top != package.name and not shared
            if hidden:
                found.append(f"{name_of(path)}:{line}: {module} {name or ''}")
    assert found == []


BUILTIN = ROOT / "plugins/builtin/src/llm_gateway_extension_builtin"


def test_the_built_in_extensions_share_a_distribution_and_nothing_else() -> None:
    found = []
    for folder in (path.parent for path in BUILTIN.glob("*/plugin.py")):
        own = f"llm_gateway_extension_builtin.{folder.name}"
        for path in folder.rglob("*.py"):
            for line, module, _ in imports_of(path):
                if f"{module}.".startswith("llm_gateway_extension_builtin.") and not f"{module}.".startswith(f"{own}."):
                    found.append(f"{name_of(path)}:{line}: {module}")
    assert found == []


def test_git_is_called_in_one_place() -> None:
    found = []
    for path in [*KERNEL.rglob("*.py"), *(path for package in PLUGINS for path in package.rglob("*.py"))]:
        if path.parent == KERNEL / "git":
            continue
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.List(elts=[ast.Constant(value="git"), *_]) | ast.Tuple(elts=[ast.Constant(value="git"), *_]):
                    found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


#: Says what is wrong where no home is known; it runs beside an agent's process, without the kernel.
OWN_HOME = {"llm_gateway_provider_echo/agent/conversation.py"}


#: Works beside a run, without the kernel.
OWN_LOCK = "llm_gateway_policy_wall/outside/mountpoints.py"


def test_a_file_is_locked_in_one_place() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources()
        if "src" in path.relative_to(ROOT).parts and not name_of(path).endswith((OWN_LOCK, "llm_gateway/leases.py"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in {"flock", "lockf", "F_SETLK"}
    ]
    assert found == [], "use llm_gateway.leases"


def test_a_leading_tilde_is_replaced_in_one_place() -> None:
    """`os.path.expanduser` leaves `~` as it is where no home is known: the path then is a folder `~` in the working directory."""
    found = []
    for path in sources():
        if "src" not in path.relative_to(ROOT).parts or name_of(path).endswith(tuple(OWN_HOME)):
            continue
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Attribute(attr="expanduser") | ast.Attribute(value=ast.Name(id="Path"), attr="home"):
                    found.append(f"{name_of(path)}:{node.lineno}")
    assert found == [], "use llm_gateway.expand_user and user_home"


def test_hooks_are_called_in_one_place() -> None:
    elsewhere = [
        path for path in KERNEL.rglob("*.py") if "plugins" not in path.relative_to(KERNEL).with_suffix("").parts
    ]
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in elsewhere
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in {"hook", "subset_hook_caller"}
    ]
    assert found == []


def test_a_kernel_name_is_exported_once_sorted_and_really_there() -> None:
    exported = llm_gateway.__all__
    assert list(exported) == sorted(set(exported))
    for name in exported:
        assert getattr(llm_gateway, name) is not None


@pytest.mark.parametrize("package", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_exports_sorted_names(package: Path) -> None:
    exported = getattr(importlib.import_module(package.name), "__all__", [])
    assert list(exported) == sorted(set(exported))


def test_importing_the_kernel_loads_none_of_its_packages() -> None:
    top_level = {module for _, module, _ in _executed_imports(KERNEL / "__init__.py")}
    assert top_level <= {"__future__", "importlib", "typing"}


def _executed_imports(path: Path) -> Iterator[tuple[int, str, str | None]]:
    for node in tree_of(path).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module, None
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)


#: These start runs, or are parts of a run, which outlive the gateway.
STARTS_RUNS = ("engine_local/shim/starter.py", "policy_wall/outside/launcher.py")
STARTERS = {("subprocess", name) for name in ("Popen", "run", "call", "check_call", "check_output")} | {
    (module, name)
    for module in ("anyio", "asyncio")
    for name in ("open_process", "run_process", "create_subprocess_exec", "create_subprocess_shell")
}


def test_what_the_gateway_starts_for_itself_ends_with_it() -> None:
    found = []
    for path in sources():
        if (
            "src" not in path.relative_to(ROOT).parts
            or "testing" in name_of(path)
            or name_of(path).endswith(STARTS_RUNS)
        ):
            continue
        found += [f"{name_of(path)}:{line}" for line in _starts(tree_of(path), inside=False)]
    assert found == [], "start it inside `with owned(env) as env:`"


def _starts(node: ast.AST, *, inside: bool) -> Iterator[int]:
    """The lines that start a process outside of `with owned(...)`."""
    match node:
        case ast.With(items=items) | ast.AsyncWith(items=items):
            calls = [item.context_expr.func for item in items if isinstance(item.context_expr, ast.Call)]
            inside = inside or any(isinstance(call, ast.Name) and call.id == "owned" for call in calls)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) if (module, name) in STARTERS:
            if not inside:
                yield node.lineno
        case ast.ImportFrom(module="subprocess", names=names):  # a bare `run` would not be noticed
            yield from (node.lineno for alias in names if ("subprocess", alias.name) in STARTERS)
    for child in ast.iter_child_nodes(node):
        yield from _starts(child, inside=inside)


def test_no_simple_queue_is_read_with_a_time_limit() -> None:
    """On Python 3.10, `SimpleQueue.get(timeout=...)` waits without end if the time is over just as it begins."""
    found = []
    for path in sources():
        nodes = list(ast.walk(tree_of(path)))
        if not any(isinstance(node, ast.alias) and node.name == "SimpleQueue" for node in nodes):
            continue
        for node in nodes:
            match node:
                case ast.Call(func=ast.Attribute(attr="get"), args=args, keywords=keywords) if len(args) > 1 or any(
                    keyword.arg == "timeout" for keyword in keywords
                ):
                    found.append(f"{name_of(path)}:{node.lineno}")
    assert found == [], "use threading.Event.wait or queue.Queue"


def test_no_test_waits_by_sleeping() -> None:
    found = []
    for path in sources():
        if "tests" not in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=clock), attr="sleep"), args=[span, *_]) if (
                    clock in CLOCKS
                ):
                    if not (isinstance(span, ast.Constant) and span.value == 0):
                        found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


#: They read what lies in their own package, or what they have just written; reviews and git have openers of their own.
READS_ITS_OWN = {"contract.py", "demo_gateway.py", "plugin_new.py", "texts.py", "queries.py", "database.py", "argv.py"}
READS_ELSEWHERE = ("llm_gateway_extension_builtin/git/", "llm_gateway_extension_review/")


def test_a_file_that_others_can_replace_is_opened_in_one_way() -> None:
    """A FIFO or a device in the place of a file hangs whoever opens it in any other way."""
    found = []
    for path in sources():
        parts = path.relative_to(ROOT).parts
        if (
            "src" not in parts
            or "agent" in parts
            or "testing" in parts
            or any(part in name_of(path) for part in READS_ELSEWHERE)
        ):
            continue
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(func=ast.Attribute(attr="read_text" | "read_bytes")) if path.name not in READS_ITS_OWN:
                    found.append(f"{name_of(path)}:{node.lineno}")
    assert found == [], "use llm_gateway.files"
