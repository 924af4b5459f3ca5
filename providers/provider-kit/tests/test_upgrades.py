"""One table: how a program can be installed, and the command that upgrades it there."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest

from llm_gateway import UpgradePlan
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_kit.upgrades import Package, plan_upgrade


def native(path: PurePath, target: str | None, program: str) -> UpgradePlan | None:
    if path.parts[-3:-1] != (".mine", "bin"):
        return None
    return UpgradePlan(argv=(program, "update", target or "newest"), method="native")


MINE = Package(
    title="Mine",
    newest="2.0.0",
    npm="@vendor/mine",
    python="mine-py",
    tags=("latest", "stable"),
    notes={"npm": "Needs Node 22."},
    native=native,
)
STORE = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-mine-cli-1.2.3"
NODE = "lib/node_modules/@vendor/mine/bin/mine.js"


class Machine:
    """Files and links below a folder, which takes the place of `/` for all managers but Nix."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)

    def path(self, text: str) -> str:
        return text.replace("{}", str(self.root))

    def install(self, place: str, links: tuple[str, ...] = (), content: str = "") -> str:
        """Write a program, and links that lead to it one after another; return the path of the last link."""
        program = self.root / place
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(content)
        for name in links:
            link = self.root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(program)
            program = link
        return str(program)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(Path(os.path.realpath(tmp_path)) / "root")


#: where the program is, links to it -> command for the newest, command for 1.5.0 (both without `{}/` at their beginning)
TABLE: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "npm global": (
        f"usr/{NODE}", ("usr/bin/mine",),
        "npm install -g --prefix {}/usr @vendor/mine@latest",
        "npm install -g --prefix {}/usr @vendor/mine@1.5.0",
    ),
    "npm of nvm": (
        f"home/.nvm/versions/node/v22.1.0/{NODE}", ("home/.nvm/versions/node/v22.1.0/bin/mine",),
        "npm install -g --prefix {}/home/.nvm/versions/node/v22.1.0 @vendor/mine@latest",
        "npm install -g --prefix {}/home/.nvm/versions/node/v22.1.0 @vendor/mine@1.5.0",
    ),
    "npm of Homebrew's Node": (
        f"opt/homebrew/{NODE}", ("opt/homebrew/bin/mine",),
        "npm install -g --prefix {}/opt/homebrew @vendor/mine@latest",
        "npm install -g --prefix {}/opt/homebrew @vendor/mine@1.5.0",
    ),
    "npm of Homebrew's older Node": (
        f"opt/homebrew/Cellar/node@20/20.1/{NODE}", ("opt/homebrew/bin/mine",),
        "npm install -g --prefix {}/opt/homebrew/Cellar/node@20/20.1 @vendor/mine@latest",
        "npm install -g --prefix {}/opt/homebrew/Cellar/node@20/20.1 @vendor/mine@1.5.0",
    ),
    "npm in a project": (
        "app/node_modules/@vendor/mine/bin/mine.js", ("app/node_modules/.bin/mine",),
        "npm install --prefix {}/app @vendor/mine@latest",
        "npm install --prefix {}/app @vendor/mine@1.5.0",
    ),
    "brew formula": (
        f"opt/homebrew/Cellar/mine-cli/1.2/libexec/{NODE}", ("opt/homebrew/bin/mine",),
        "brew upgrade mine-cli", "brew upgrade mine-cli",
    ),
    "brew cask": (
        "opt/homebrew/Caskroom/mine@latest/1.2/mine", ("opt/homebrew/bin/mine",),
        "brew upgrade --cask mine@latest", "brew upgrade --cask mine@latest",
    ),
    "bun": (
        "home/.bun/install/global/node_modules/@vendor/mine/bin/mine.js", ("home/.bun/bin/mine",),
        "bun add --global @vendor/mine@latest", "bun add --global @vendor/mine@1.5.0",
    ),
    "pnpm": (
        "home/.local/share/pnpm/mine", ("home/.local/bin/mine",),
        "pnpm add --global @vendor/mine@latest", "pnpm add --global @vendor/mine@1.5.0",
    ),
    "pnpm on macOS": (
        "home/Library/pnpm/mine", (),
        "pnpm add --global @vendor/mine@latest", "pnpm add --global @vendor/mine@1.5.0",
    ),
    "pnpm in a project": (
        "app/node_modules/.pnpm/@vendor+mine@1.2/node_modules/@vendor/mine/bin/mine.js", (),
        "pnpm --dir {}/app add @vendor/mine@latest", "pnpm --dir {}/app add @vendor/mine@1.5.0",
    ),
    "yarn": (
        "home/.config/yarn/global/node_modules/@vendor/mine/bin/mine.js",
        ("home/.config/yarn/global/node_modules/.bin/mine", "home/.yarn/bin/mine"),
        "yarn global add @vendor/mine@latest", "yarn global add @vendor/mine@1.5.0",
    ),
    "volta": (
        "home/.volta/bin/volta-shim", ("home/.volta/bin/mine",),
        "volta install @vendor/mine@latest", "volta install @vendor/mine@1.5.0",
    ),
    "volta of a system": (
        "usr/bin/volta-shim", ("home/.volta/bin/mine",),
        "volta install @vendor/mine@latest", "volta install @vendor/mine@1.5.0",
    ),
    "volta without its shim": (
        f"home/.volta/tools/image/packages/@vendor/mine/{NODE}", (),
        "volta install @vendor/mine@latest", "volta install @vendor/mine@1.5.0",
    ),
    "mise, npm": (
        f"home/.local/share/mise/installs/npm-vendor-mine/1.2/{NODE}",
        ("home/.local/share/mise/installs/npm-vendor-mine/1.2/bin/mine",),
        "mise upgrade --bump npm:@vendor/mine", "mise use --global npm:@vendor/mine@1.5.0",
    ),
    "mise, pipx": (
        "home/.local/share/mise/installs/pipx-mine-py/1.2/bin/mine", (),
        "mise upgrade --bump pipx:mine-py", "mise use --global pipx:mine-py@1.5.0",
    ),
    "mise, registry": (
        "home/.local/share/mise/installs/mine/1.2/mine", (),
        "mise upgrade --bump mine", "mise use --global mine@1.5.0",
    ),
    "npm of mise's Node": (
        f"home/.local/share/mise/installs/node/22.1.0/{NODE}", (),
        "npm install -g --prefix {}/home/.local/share/mise/installs/node/22.1.0 @vendor/mine@latest",
        "npm install -g --prefix {}/home/.local/share/mise/installs/node/22.1.0 @vendor/mine@1.5.0",
    ),
    "mise shim, npm of its Node": (
        "usr/bin/mise", ("home/.local/share/mise/shims/mine",),
        "mise exec -- npm install -g @vendor/mine@latest",
        "mise exec -- npm install -g @vendor/mine@1.5.0",
    ),
    "npm of asdf's Node": (
        f"home/.asdf/installs/nodejs/22.1.0/{NODE}", (),
        "npm install -g --prefix {}/home/.asdf/installs/nodejs/22.1.0 @vendor/mine@latest",
        "npm install -g --prefix {}/home/.asdf/installs/nodejs/22.1.0 @vendor/mine@1.5.0",
    ),
    "uv": (
        "home/.local/share/uv/tools/mine-py/bin/mine", ("home/.local/bin/mine",),
        "uv tool install mine-py@latest", "uv tool install mine-py==1.5.0",
    ),
    "pipx": (
        "home/.local/share/pipx/venvs/mine-py/bin/mine", ("home/.local/bin/mine",),
        "pipx upgrade mine-py", "pipx install --force mine-py==1.5.0",
    ),
    "pipx, earlier": (
        "home/.local/pipx/venvs/mine-py/bin/mine", ("home/.local/bin/mine",),
        "pipx upgrade mine-py", "pipx install --force mine-py==1.5.0",
    ),
    "native": (
        "home/.mine/bin/mine-1.2", ("home/.local/bin/mine",),
        "{}/home/.local/bin/mine update newest", "{}/home/.local/bin/mine update 1.5.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLE)
def test_each_installation_is_upgraded_by_what_installed_it(kind: str, machine: Machine) -> None:
    place, links, newest, exact = TABLE[kind]
    program = machine.install(place, links)
    made = [plan_upgrade(MINE, program, target) for target in (None, "1.5.0")]
    assert [plan and " ".join(plan.argv) for plan in made] == [machine.path(newest), machine.path(exact)]
    assert plan_upgrade(MINE, program, "latest") == made[0]
    assert [plan and plan.method for plan in made] == [kind.partition(" ")[0].strip(",")] * 2


def test_a_tag_of_the_registry_is_passed_on(machine: Machine) -> None:
    plan = plan_upgrade(MINE, machine.install(f"usr/{NODE}"), "stable")
    assert plan
    assert plan.argv[-1] == "@vendor/mine@stable"
    assert plan.note == "Needs Node 22."


@pytest.mark.parametrize("kind", ["brew formula", "brew cask"])
def test_homebrew_says_that_it_decides_the_version(kind: str, machine: Machine) -> None:
    program = machine.install(*TABLE[kind][:2])
    notes = [plan and plan.note for target in (None, "1.5.0") for plan in [plan_upgrade(MINE, program, target)]]
    assert notes == ["", "Homebrew decides the version."]


@pytest.mark.parametrize(
    ("lock", "newest"),
    [
        ("yarn.lock", "yarn --cwd {}/app add"),
        ("bun.lock", "bun add --cwd {}/app"),
        ("bun.lockb", "bun add --cwd {}/app"),
    ],
)
def test_a_project_is_upgraded_by_the_manager_of_its_lock_file(lock: str, newest: str, machine: Machine) -> None:
    program = machine.install("app/node_modules/@vendor/mine/bin/mine.js")
    machine.install(f"app/{lock}")
    plan = plan_upgrade(MINE, program, None)
    assert plan
    assert " ".join(plan.argv) == machine.path(f"{newest} @vendor/mine@latest")


@pytest.mark.parametrize(
    ("variable", "folder", "place", "newest"),
    [
        ("BUN_INSTALL", "b", "b/bin/mine", "bun add --global @vendor/mine@latest"),
        ("PNPM_HOME", "p", "p/bin/mine", "pnpm add --global @vendor/mine@latest"),
        ("VOLTA_HOME", "v", "v/bin/mine", "volta install @vendor/mine@latest"),
        ("MISE_DATA_DIR", "m", "m/installs/mine/1.2/mine", "mise upgrade --bump mine"),
        ("UV_TOOL_DIR", "u", "u/mine-py/bin/mine", "uv tool install mine-py@latest"),
        ("PIPX_HOME", "x", "x/venvs/mine-py/bin/mine", "pipx upgrade mine-py"),
    ],
)
def test_a_manager_is_known_in_the_folder_that_its_variable_names(
    variable: str, folder: str, place: str, newest: str, machine: Machine
) -> None:
    program = machine.install(place)
    plan = plan_upgrade(MINE, program, None, {variable: str(machine.root / folder)})
    assert plan
    assert " ".join(plan.argv) == newest
    assert plan_upgrade(MINE, program, None, {variable: ""}) is None


def test_a_shim_of_mise_leads_to_the_tool_that_it_installed(machine: Machine) -> None:
    program = machine.install("usr/bin/mise", ("home/.local/share/mise/shims/mine",))
    machine.install("home/.local/share/mise/installs/npm-vendor-mine/1.2/bin/mine")
    plan = plan_upgrade(MINE, program, None)
    assert plan
    assert plan.argv == ("mise", "upgrade", "--bump", "npm:@vendor/mine")


@pytest.mark.parametrize(
    ("shim", "newest"),
    [
        ("# asdf-plugin: nodejs 22.1.0\n", "asdf exec npm install -g @vendor/mine@latest"),
        ("# asdf-plugin: python 3.12.1\n", "asdf exec python -m pip install --upgrade mine-py"),
        ("# asdf-plugin: ruby 3.3\n", None),
    ],
)
def test_a_shim_of_asdf_says_which_plugin_has_the_program(shim: str, newest: str | None, machine: Machine) -> None:
    program = machine.install("home/.asdf/shims/mine", content=f"#!/usr/bin/env bash\n{shim}exec asdf exec mine\n")
    plan = plan_upgrade(MINE, program, None)
    assert (plan and " ".join(plan.argv)) == newest


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("lib/python3.12/site-packages/pip/__init__.py", "{}/env/bin/python -m pip install --upgrade mine-py"),
        ("lib/python3.12/site-packages/x.py", "uv pip install --python {}/env/bin/python --upgrade mine-py"),
    ],
    ids=["with pip", "without pip"],
)
def test_a_virtual_environment_is_upgraded_by_its_pip_or_by_uv(library: str, command: str, machine: Machine) -> None:
    program = machine.install("env/bin/mine")
    machine.install("env/pyvenv.cfg")
    machine.install(f"env/{library}")
    plan = plan_upgrade(MINE, program, None)
    assert plan
    assert (" ".join(plan.argv), plan.method) == (machine.path(command), "pip")


def test_a_package_in_a_profile_of_nix_is_upgraded_there(machine: Machine) -> None:
    link = machine.root / "home/.nix-profile/bin/mine"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"{STORE}/{NODE}")
    plan = plan_upgrade(MINE, str(link), "1.5.0")
    assert plan
    assert plan.argv == ("nix", "profile", "upgrade", "mine-cli")
    assert plan.note == "Nix decides the version."


def test_no_command_upgrades_a_program_of_a_configuration_or_of_another_package(machine: Machine) -> None:
    system = machine.root / "run/current-system/sw/bin/mine"
    system.parent.mkdir(parents=True)
    system.symlink_to(f"{STORE}/{NODE}")
    places = (
        "home/.npm/_npx/0123/node_modules/@vendor/mine/bin/mine.js",
        "usr/lib/node_modules/@other/mine/bin/mine.js",
        "usr/lib/node_modules/@vendor/mine-fork/bin/mine.js",
        "app/node_modules/.pnpm/mine@1/node_modules/mine/bin/mine.js",
        "home/.local/share/uv/tools/other/bin/mine",
        "opt/own/mine",
        "usr/bin/mine",
    )
    machine.install("usr/bin/python")
    programs = [str(system), *(machine.install(place) for place in places)]
    assert [program for program in programs if plan_upgrade(MINE, program, None) is not None] == []
    assert plan_upgrade(MINE, None, None) is None


def test_a_package_that_a_registry_does_not_have_is_not_installed_from_there(machine: Machine) -> None:
    bare = Package(title="Mine", newest="2.0.0")
    for place, links, _, _ in TABLE.values():
        if "brew" not in place and "mise" not in place:
            program = machine.install(place, tuple(f"{place.replace('/', '-')}/{link}" for link in links))
            plan = plan_upgrade(bare, program, None)
            assert plan is None or plan.method in ("brew", "mise"), place


@pytest.mark.parametrize(
    "target", ["", "1", "1.5", "1.5.0; rm -rf /", "--force", "../x", "other@1.0.0", "1.5.0\n", "next", "\0"]
)
@pytest.mark.parametrize("program", [None, f"/usr/{NODE}"])
def test_only_a_version_or_a_known_tag_is_a_target(target: str, program: str | None) -> None:
    with pytest.raises(InvalidRequest, match=r"not a version of Mine, such as 2\.0\.0 or latest"):
        plan_upgrade(MINE, program, target)
