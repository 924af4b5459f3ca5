"""What a reader of the repository must never meet. The patterns are written so that they do not find themselves."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

VENDORS = r"(?i)(?<![a-z])(claude|codex|gemini|antigravity|agy|grok|mistral|vibe|anthropic|openai|xai)(?![a-z])"
HOSTS = r"p[y]pi\.org|python[h]osted\.org|registry\.[n]pmjs|deb\.[d]ebian\.org|f[i]le://"
MACHINE = r"/(w[o]rk|r[o]ot|f[a]rm)/|\.\./s[h]ared"
PROMISES = r"T[O]DO|F[I]XME|X[X]X|N[o]tImplementedError|not impl[e]mented|placeh[o]lder"
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git keeps, or would keep with the next `git add`."""
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    return tuple(path for path in paths if path.is_file())


@cache
def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def found(pattern: str, *, suffixes: tuple[str, ...] = (), under: str = "", but: str | None = None) -> list[str]:
    compiled = re.compile(pattern)
    places = []
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(under) or (but and name.startswith(but)) or (suffixes and path.suffix not in suffixes):
            continue
        if compiled.search(text_of(path)):
            lines = text_of(path).splitlines()
            places += [
                f"{name}:{number}: {line.strip()[:100]}"
                for number, line in enumerate(lines, 1)
                if compiled.search(line)
            ]
    return places


def test_the_kernel_names_no_vendor() -> None:
    assert found(VENDORS, under="core/") == []


def test_no_package_index_is_named() -> None:
    assert found(HOSTS, but="tests/field_cases/cases/") == []  # what programs printed stays as it is


def test_no_path_of_one_machine_is_named() -> None:
    assert found(MACHINE, but=".ci/") == []


def test_nothing_is_promised_instead_of_done() -> None:
    assert found(PROMISES, suffixes=(".py", ".md", ".toml")) == []


def test_lesson_54_no_tracked_source_holds_a_nul_byte() -> None:
    assert [str(path) for path in tracked() if b"\0" in path.read_bytes() and path.suffix not in {".png", ".gz"}] == []


def test_no_lock_file_with_addresses_is_kept() -> None:
    assert [str(path) for path in tracked() if path.name in {"uv.lock", "poetry.lock", "package-lock.json"}] == []


@pytest.mark.docs
def test_links_between_documents_are_relative_and_lead_somewhere() -> None:
    broken = []
    for path in tracked():
        if path.suffix == ".md":
            for target in LINK.findall(text_of(path)):
                if "://" in target or target.startswith("mailto:"):
                    continue
                if target.startswith("/") or not (path.parent / target).exists():
                    broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


#: Tables about the world outside, which name programs whether or not a provider for them is installed; nothing depends on one
#: being in them. And what is about an assistant as the gateway's client.
TABLES = (
    "plugins/claude-code/",
    "plugins/connect/",
    "plugins/policy-managed/src/llm_gateway_policy_managed/places.py",
    "plugins/builtin/src/llm_gateway_extension_builtin/pricing/plugin.py",
    "plugins/builtin/src/llm_gateway_extension_builtin/records/redaction.py",
    "plugins/testing/src/llm_gateway_testing/contract/provider_facts.py",
)


def test_a_provider_is_named_in_no_code_but_its_own_so_that_one_more_changes_nothing_else() -> None:
    named = []
    for provider in sorted(
        folder.name for folder in (ROOT / "providers").iterdir() if folder.is_dir() and folder.name != "provider-kit"
    ):
        if provider == "echo":  # the imitation for examples, demonstrations and tests
            continue
        own = f"providers/{provider}/"
        places = found(
            rf"(?i)(?<![a-z])provider[_-]{provider}(?![a-z])|[\"']{provider}[\"']", suffixes=(".py", ".toml")
        )
        ours = (place for place in places if place.startswith(("core/src/", "plugins/", "stores/", "providers/")))
        named += [p for p in ours if "/tests/" not in p and "/src/" in p and not p.startswith((own, *TABLES))]
    assert named == []
