"""A program: how the kernel is built, in figures. `python -m tests.structure.figures [ROOT]`

It reads the code and runs none of it. Imports under `if TYPE_CHECKING` are for type checkers and are counted apart; all others,
also those inside functions, count as imports at run time.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = "llm_gateway"

#: From the bottom to the top: a package imports from its own layer and from those before it. A module that stands beside the
#: packages is named like one.
LAYERS = (
    {
        "naming",
        "quoting",
        "terminal",
        "titles",
        "files",
        "leases",
        "owned_processes",
        "programs",
        "locations",
        "digests",
        "file_cache",
        "instructions",
        "trust",
        "errors",
        "model",
        "entry_points",
    },
    {"installations"},
    {"version_managers"},
    {"before_opening"},
    {"git", "failures", "hookspecs", "refused_versions", "verified_versions"},
    {"settings"},
    {"plugins"},
    {"planning"},
    {"jobs"},
    {"operations"},
    {"gateway"},
    {"opening"},
    {"cli"},
)
#: The face of the kernel, which loads every name from where it lives, on first use.
FACE = NAME

Function = ast.FunctionDef | ast.AsyncFunctionDef
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.comprehension, ast.match_case)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One import of one module by another."""

    source: str
    target: str
    line: int
    type_only: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


class Kernel:
    """The kernel's modules, parsed."""

    def __init__(self, root: Path = ROOT) -> None:
        folder = root / "core/src" / NAME
        self.paths: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.trees = {name: ast.parse(path.read_bytes(), filename=str(path)) for name, path in self.paths.items()}

    def edges(self) -> list[Edge]:
        """Every import of a module of the kernel by another."""
        return [edge for name, tree in self.trees.items() for edge in self._imports(name, tree, type_only=False)]

    def _imports(self, source: str, tree: ast.AST, *, type_only: bool) -> Iterator[Edge]:
        for node in ast.iter_child_nodes(tree):
            for target in self._targets(node):
                if target != source:
                    yield Edge(source=source, target=target, line=getattr(node, "lineno", 0), type_only=type_only)
            if isinstance(node, ast.If) and _is_type_checking(node.test):
                for inner in node.body:
                    yield from self._imports(source, ast.Module(body=[inner], type_ignores=[]), type_only=True)
            else:
                yield from self._imports(source, node, type_only=type_only)

    def _targets(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names if alias.name in self.paths]
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in self.paths:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found = {name if name in self.paths else node.module for name in inner}
            return sorted(found)
        return []

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function with the name of its module."""
        for name, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield name, node

    def lengths(self) -> dict[str, int]:
        """How many lines each module has."""
        return {name: len(path.read_text("utf-8").splitlines()) for name, path in self.paths.items()}


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in ast.unparse(test)


def package_of(module: str) -> str:
    """The package of a module; a module beside the packages is its own."""
    return module.split(".")[1] if "." in module else module


def layer_of(module: str) -> int:
    """How high a module stands. Raises LookupError for a package that no layer names."""
    package = package_of(module)
    for height, layer in enumerate(LAYERS):
        if package in layer:
            return height
    if package == FACE:
        return len(LAYERS)
    raise LookupError(f"{package} is in no layer: add it to LAYERS in {Path(__file__).name}")


def upward(edges: list[Edge]) -> list[Edge]:
    """Imports of something higher. Nothing but the version is read from the kernel's face."""
    return [edge for edge in edges if edge.target != FACE and layer_of(edge.target) > layer_of(edge.source)]


def cycles(edges: list[Edge]) -> list[list[str]]:
    """Sets of modules that import each other, directly or not."""
    graph: dict[str, set[str]] = {}
    for edge in edges:
        graph.setdefault(edge.source, set()).add(edge.target)
        graph.setdefault(edge.target, set())
    reached = {name: _reach(graph, name) for name in graph}
    found = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in graph}
    return [list(group) for group in sorted(found) if group]


def _reach(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    left = list(graph[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += graph[name]
    return seen


def takes_gateway(function: Function, kind: str = "Gateway") -> bool:
    """Whether a function has a parameter that is the whole gateway."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named = {
        node.id for one in every if one.annotation for node in ast.walk(one.annotation) if isinstance(node, ast.Name)
    }
    return kind in named


def length_of(function: Function) -> int:
    """Lines of a function, with its words."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def complexity_of(function: Function) -> int:
    """Cyclomatic complexity: one, and one more for each branch; functions inside are counted for themselves."""
    total, left = 1, list(function.body)
    nodes: list[ast.AST] = [*left]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, BRANCHES):
            total += 1
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
        nodes += ast.iter_child_nodes(node)
    return total


def report(kernel: Kernel) -> Iterator[str]:
    """The figures, a line each."""
    edges = kernel.edges()
    runtime = [edge for edge in edges if not edge.type_only]
    between: dict[tuple[str, str], int] = {}
    for edge in runtime:
        pair = (package_of(edge.source), package_of(edge.target))
        if pair[0] != pair[1]:
            between[pair] = between.get(pair, 0) + 1
    packages = sorted({package_of(name) for name in kernel.paths})
    lengths = kernel.lengths()
    functions = list(kernel.functions())
    yield f"modules: {len(kernel.paths)}, lines: {sum(lengths.values())}"
    yield f"packages and modules beside them: {len(packages)}: {' '.join(packages)}"
    yield f"imports at run time: {len(runtime)}, between packages: {sum(between.values())}"
    for (source, target), count in sorted(between.items()):
        yield f"  {source} -> {target}: {count}"
    loops = cycles(runtime)
    yield f"cycles at run time: {len(loops)}"
    yield from (f"  {' '.join(loop)}" for loop in loops)
    try:
        rising = [str(edge) for edge in upward(runtime)]
    except LookupError as error:
        rising = [str(error)]
    yield f"imports of something higher: {len(rising)}"
    yield from (f"  {one}" for one in rising)
    whole = [f"{name}.{function.name}" for name, function in functions if takes_gateway(function)]
    yield f"functions that take the whole gateway: {len(whole)}"
    yield f"functions that take GatewayApi: {sum(takes_gateway(function, 'GatewayApi') for _, function in functions)}"
    yield "longest files: " + ", ".join(
        f"{name} {lengths[name]}" for name in sorted(lengths, key=lengths.__getitem__)[-5:]
    )
    longest = sorted((length_of(function), f"{name}.{function.name}") for name, function in functions)[-5:]
    yield "longest functions: " + ", ".join(f"{name} {length}" for length, name in longest)
    branched = sorted((complexity_of(function), f"{name}.{function.name}") for name, function in functions)[-5:]
    yield "most complex functions: " + ", ".join(f"{name} {count}" for count, name in branched)


if __name__ == "__main__":
    print(*report(Kernel(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)), sep="\n")
