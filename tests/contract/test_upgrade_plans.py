"""Every provider with a package, in every kind of installation: the plan is made by the kit and names the right package."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_gateway import PluginHost, UpgradePlan, find_plugins

NPM = {
    "claude": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "grok": "@xai-official/grok",
}
PYTHON = {"mistral": "mistral-vibe"}
#: kind -> where the program is, and the commands for the newest version and for 9.8.7.
OF_NPM = {
    "npm": ("usr/lib/node_modules/{}/bin/x", "npm install -g --prefix /usr {}@latest", "npm install -g --prefix /usr {}@9.8.7"),
    "npm in a project": ("app/node_modules/{}/bin/x", "npm install --prefix /app {}@latest", "npm install --prefix /app {}@9.8.7"),
    "brew formula": ("opt/Cellar/tool/1.0/libexec/lib/node_modules/{}/x", "brew upgrade tool", "brew upgrade tool"),
    "brew cask": ("opt/Caskroom/tool@latest/1.0/x", "brew upgrade --cask tool@latest", "brew upgrade --cask tool@latest"),
    "bun": ("h/.bun/install/global/node_modules/{}/x", "bun add --global {}@latest", "bun add --global {}@9.8.7"),
    "pnpm": ("h/.local/share/pnpm/x", "pnpm add --global {}@latest", "pnpm add --global {}@9.8.7"),
    "yarn": ("h/.config/yarn/global/node_modules/{}/x", "yarn global add {}@latest", "yarn global add {}@9.8.7"),
    "volta": ("h/.volta/tools/image/packages/{}/x", "volta install {}@latest", "volta install {}@9.8.7"),
    "mise": ("h/.local/share/mise/installs/tool/1/x", "mise upgrade --bump tool", "mise use --global tool@9.8.7"),
    "npx": ("h/.npm/_npx/12/node_modules/{}/x", None, None),
    "nix": ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-tool-1.0/lib/node_modules/{}/x", None, None),
    "another package": ("usr/lib/node_modules/@another/cli/x", None, None),
    "unknown": ("opt/own/x", None, None),
}  # fmt: skip
OF_PYTHON = {
    "uv": ("h/.local/share/uv/tools/{}/bin/x", "uv tool install {}@latest", "uv tool install {}==9.8.7"),
    "pipx": ("h/.local/share/pipx/venvs/{}/bin/x", "pipx upgrade {}", "pipx install --force {}==9.8.7"),
    **{name: OF_NPM[name] for name in ("brew formula", "brew cask", "mise", "another package", "unknown")},
    "nix": ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-tool-1.0/bin/x", None, None),
}
CASES = [
    *((provider, package, kind, OF_NPM[kind]) for provider, package in NPM.items() for kind in OF_NPM),
    *((provider, package, kind, OF_PYTHON[kind]) for provider, package in PYTHON.items() for kind in OF_PYTHON),
]


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return find_plugins({"LLM_GATEWAY_HOME": "/nonexistent", "HOME": "/nonexistent"}, [])[0]


@pytest.mark.parametrize(
    ("provider", "package", "kind", "expected"), CASES, ids=[f"{case[0]}: {case[2]}" for case in CASES]
)
def test_every_provider_has_the_plan_of_each_installation(
    host: PluginHost,
    provider: str,
    package: str,
    kind: str,
    expected: tuple[str, str | None, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("BUN_INSTALL", "PNPM_HOME", "VOLTA_HOME", "MISE_DATA_DIR", "UV_TOOL_DIR", "PIPX_HOME"):
        monkeypatch.delenv(name, raising=False)
    place, *commands = expected
    program = str(Path(place.replace("{}", package)).with_name(host.providers[provider].executable))
    if not program.startswith("/"):
        (tmp_path / program).parent.mkdir(parents=True)
        (tmp_path / program).touch()
        program = str(tmp_path / program)

    def words(plan: UpgradePlan | None) -> str | None:
        return plan and " ".join(plan.argv).replace(str(tmp_path), "")

    made = [words(host.upgrade_plan(provider, target, program)) for target in (None, "9.8.7")]
    assert made == [command and command.replace("{}", package) for command in commands], kind
