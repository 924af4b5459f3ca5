"""Every distribution is built alike, so that each one can be installed, read and replaced alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tomli

import llm_gateway

ROOT = Path(__file__).parents[2]
KINDS = ("provider", "store", "transport", "policy", "engine", "extension")
KIT = "llm-gateway-provider-kit"  #: what providers share; only they depend on it
SEVERAL = "llm-gateway-extension-builtin"  #: small extensions that nobody installs alone, each in a package of its own
PLACES = {"providers": "provider-", "stores": "store-", "plugins": ""}
MANIFESTS = [ROOT / "core/pyproject.toml"]
MANIFESTS += sorted(path for place in PLACES for path in ROOT.glob(f"{place}/*/pyproject.toml"))
PLUGINS = MANIFESTS[1:]
#: What a plugin of this version requires of the kernel.
_MAJOR, _MINOR = (int(part) for part in llm_gateway.__version__.split(".")[:2])
BOUNDS = f">={_MAJOR}.{_MINOR},<{_MAJOR}.{_MINOR + 1}"
PINS = (ROOT / ".ci/constraints.txt").read_text("utf-8")

every_distribution = pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
every_plugin = pytest.mark.parametrize("manifest", PLUGINS, ids=lambda path: path.parent.name)


def read(manifest: Path) -> dict[str, Any]:
    return tomli.loads(manifest.read_text("utf-8"))


def dist_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return match.group().lower().replace("_", "-").replace(".", "-")


def requirements(manifest: Path) -> list[str]:
    project = read(manifest)["project"]
    optional = project.get("optional-dependencies", {}).values()
    return [*project.get("dependencies", []), *(one for extra in optional for one in extra)]


def package_of(manifest: Path) -> Path:
    name = read(manifest)["project"]["name"]
    module = "llm_gateway" if name == "llm-gateway-core" else name.replace("-", "_")
    return manifest.parent / "src" / module


@every_distribution
def test_a_distribution_has_its_files(manifest: Path) -> None:
    package = package_of(manifest)
    for path in (manifest.parent / "README.md", package / "__init__.py", package / "py.typed"):
        assert path.is_file(), path
    assert read(manifest)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [f"src/{package.name}"]
    assert (manifest.parent / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@every_distribution
def test_a_distribution_says_the_same_as_all_others(manifest: Path) -> None:
    whole, root = read(manifest), read(ROOT / "pyproject.toml")
    assert whole["build-system"] == root["build-system"]
    assert whole["project"]["version"] == root["project"]["version"] == llm_gateway.__version__
    assert whole["project"]["requires-python"] == root["project"]["requires-python"] == ">=3.10"
    assert whole["project"]["license"] == root["project"]["license"]
    assert whole["project"]["license-files"] == root["project"]["license-files"]
    assert whole["project"]["readme"] == "README.md"
    assert len(whole["project"]["description"]) > 20


@every_plugin
def test_a_plugin_is_named_after_its_folder(manifest: Path) -> None:
    folder = manifest.parent
    plain = f"llm-gateway-{PLACES[folder.parent.name]}{folder.name}"
    assert read(manifest)["project"]["name"] in {
        KIT if folder.name == "provider-kit" else plain,
        f"llm-gateway-extension-{folder.name}",
    }


@every_plugin
def test_a_plugin_is_found_through_its_kind_and_name(manifest: Path) -> None:
    project = read(manifest)["project"]
    if project["name"] == KIT:
        assert "entry-points" not in project, "a library that providers share is no provider"
        return
    kind, _, name = project["name"].removeprefix("llm-gateway-").partition("-")
    groups = {
        g.removeprefix("llm_gateway."): e
        for g, e in project.get("entry-points", {}).items()
        if g.startswith("llm_gateway.")
    }
    if kind not in KINDS:
        assert groups == {}, "only a plugin of a known kind is found through entry points"
        return
    if project["name"] == SEVERAL:
        package = package_of(manifest)
        assert sorted(groups[kind]) == sorted(path.parent.name for path in package.glob("*/plugin.py"))
    else:
        assert list(groups[kind]) == [name.replace("-", "_")] or list(groups[kind]) == [name]
    for kinds_entries in groups.values():
        for target in kinds_entries.values():
            module = manifest.parent / "src" / target.partition(":")[0].replace(".", "/")
            assert module.with_suffix(".py").is_file() or (module / "__init__.py").is_file(), target


@every_plugin
def test_a_plugin_depends_on_the_kernel_and_on_no_other_plugin(manifest: Path) -> None:
    ours = [one for one in requirements(manifest) if dist_name(one).startswith("llm-gateway")]
    kernel, kit = f"llm-gateway-core{BOUNDS}", f"{KIT}{BOUNDS}"
    is_provider = manifest.parent.parent.name == "providers" and read(manifest)["project"]["name"] != KIT
    assert set(ours) in ([{kernel}, {kernel, kit}] if is_provider else [{kernel}])


@every_distribution
def test_a_foreign_dependency_has_a_lower_bound_and_a_pin(manifest: Path) -> None:
    for one in requirements(manifest):
        if not dist_name(one).startswith("llm-gateway"):
            assert ">=" in one, one
            assert re.search(rf"^{re.escape(dist_name(one))}==", PINS, re.M), f"{one}: run `make pins`"


def test_the_kernel_brings_what_no_gateway_does_without_and_nothing_else_of_ours() -> None:
    brought = {one for one in requirements(MANIFESTS[0]) if dist_name(one).startswith("llm-gateway")}
    names = ("engine-local", "extension-builtin", "extension-operations")
    assert brought == {f"llm-gateway-{name}{BOUNDS}" for name in names}


def test_the_meta_distribution_pins_ours_and_nothing_else() -> None:
    project = read(ROOT / "pyproject.toml")["project"]
    assert all(dist_name(one).startswith("llm-gateway-") for one in project["dependencies"])
    assert all(one.endswith(f"=={project['version']}") for one in project["dependencies"])
    assert {"grok", "demo", "all"} <= set(project["optional-dependencies"])
    named = {dist_name(one) for one in project["dependencies"]}
    assert "llm-gateway-core" in named
    assert not any("echo" in name or "grok" in name for name in named)


def test_every_distribution_of_the_workspace_is_known_to_it() -> None:
    names = {read(manifest)["project"]["name"] for manifest in MANIFESTS}
    root = read(ROOT / "pyproject.toml")
    assert set(root["tool"]["uv"]["sources"]) == names
    assert {dist_name(one) for one in root["project"]["dependencies"]} <= names


def test_no_two_distributions_share_a_script_or_an_entry_point() -> None:
    seen: dict[tuple[str, str], str] = {}
    for manifest in MANIFESTS:
        project = read(manifest)["project"]
        groups = {"scripts": project.get("scripts", {}), **project.get("entry-points", {})}
        for group, entries in groups.items():
            for name in entries:
                if group == "scripts" or group.startswith("llm_gateway."):
                    assert (group, name) not in seen, f"{project['name']} and {seen[group, name]}: {name}"
                    seen[group, name] = project["name"]


def test_pins_are_exact_hashed_and_carry_no_address() -> None:
    pins = [line for line in PINS.splitlines() if line and not line.startswith(("#", " "))]
    assert all(re.match(r"[a-z0-9._-]+==[^\s;]+( ; .+)? \\$", line) for line in pins)
    assert {"uv", "hatchling", "editables", "pytest", "mypy", "ruff"} <= {dist_name(line) for line in pins}
    for entry in re.split(r"\n(?=[a-z])", PINS.partition("\n")[2].strip()):
        hashes = entry.splitlines()[1:]
        assert hashes, f"{entry}: run `make pins`"
        assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in hashes)


def test_the_map_shows_every_distribution_and_every_package_of_the_kernel() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    kernel = ROOT / "core/src/llm_gateway"
    parts = [path.name + "/" for path in kernel.iterdir() if (path / "__init__.py").exists()]
    parts += [path.name for path in kernel.glob("*.py") if path.name != "__init__.py"]
    for package in ("planning", "jobs", "failures"):
        parts += [path.stem for path in (kernel / package).glob("*.py") if path.name != "__init__.py"]
    folders = [manifest.parent.relative_to(ROOT).as_posix() for manifest in PLUGINS]
    unmapped = [folder for folder in folders if f"`{folder}`" not in page]
    assert unmapped + [part for part in parts if not re.search(rf"[`*/]{re.escape(part)}(\.py)?[`*]", page)] == []
