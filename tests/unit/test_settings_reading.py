"""Settings: what is read from where, and that nothing wrong is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import McpServer, Posture
from llm_gateway.settings import PluginSections, Settings, SettingsError, load_settings


class Feathers(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str = "green"
    count: int = Field(default=100, ge=0)


SECTIONS = PluginSections(
    providers={"parrot": Feathers, "macaw": None},
    top={"garden": Feathers},
    unread=frozenset({"dodo", "broken"}),
    env=frozenset({"LLM_GATEWAY_PARROT_HOME"}),
)


def read(
    tmp_path: Path, text: str | bytes = "", sections: PluginSections | None = SECTIONS, **environ: str
) -> Settings:
    if text:
        (tmp_path / "config.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings({"LLM_GATEWAY_HOME": str(tmp_path)} | environ, sections)


def problems(tmp_path: Path, text: str | bytes = "", **environ: str) -> list[tuple[str, int | None, str]]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, SECTIONS, **environ)
    return [(Path(found.file).name, found.line, found.message) for found in caught.value.problems]


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.sync_deadline_s == 45.0
    assert settings.dedup_window_s == 3600.0
    assert settings.default_mcp_servers == ("sqry",)
    assert (settings.store.url, settings.engine.url) == ("sqlite:", "local:")
    assert settings.jobs.model_dump() == {
        "retention_days": 30,
        "keep_output": "retention",
        "on_client_cancel": "detach",
        "default_timeout_s": 3600.0,
    }
    assert settings.limits.model_dump() == {
        "running": min(32, (os.cpu_count() or 1) * 4),
        "per_provider": 16,
        "queued": 128,
        "output_bytes": 256 * 1024 * 1024,
        "memory_mb": None,
        "processes": None,
        "cpu": None,
        "longest_wait_s": 60,
        "max_depth": 2,
    }
    assert settings.provider("parrot").model_dump() == {
        "executable": None,
        "default_posture": None,
        "max_running": None,
        "env": {},
        "env_pass": (),
        "config": "user",
        "instructions": True,
        "user_hooks": False,
        "user_mcp_servers": False,
    }
    assert (settings.home, settings.config_file) == (tmp_path, tmp_path / "config.toml")
    assert (settings.allow_bypass, settings.depth, settings.warnings) == (False, 0, ())
    assert settings.plugins == {"garden": Feathers()}
    assert settings.options_of("parrot") == Feathers()
    assert settings.options_of("macaw") is None
    assert settings.source("limits.running") == "default"


GOOD = """
sync_deadline_s = 10
default_mcp_servers = []

[store]
url = "memory:"
[limits]
running = 3
[providers.parrot]
executable = "/opt/parrot"
default_posture = "plan"
env = { PARROT_MOOD = "good" }
env_pass = ["LANG"]
colour = "blue"
[garden]
count = 5
[mcp_servers.search]
command = "search-mcp"
args = ["--fast"]
[mcp_servers.far]
url = "https://example.test/mcp"
"""


def test_a_file_is_read_and_every_value_knows_its_line(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    file = tmp_path / "config.toml"
    assert settings.default_mcp_servers == ()
    assert settings.store.url == "memory:"
    parrot = settings.provider("parrot")
    assert parrot.executable == Path("/opt/parrot")
    assert parrot.default_posture is Posture.PLAN
    assert (parrot.env, parrot.env_pass) == ({"PARROT_MOOD": "good"}, ("LANG",))
    assert settings.options_of("parrot") == Feathers(colour="blue")
    assert settings.plugins["garden"] == Feathers(count=5)
    search = McpServer(name="search", command="search-mcp", args=("--fast",))
    assert settings.mcp_servers["search"].to_server("search") == search
    assert settings.mcp_servers["far"].url == "https://example.test/mcp"
    assert settings.source("sync_deadline_s") == f"{file}:2"
    assert settings.source("limits.running") == f"{file}:8"
    assert settings.source("providers.parrot.colour") == f"{file}:14"
    assert settings.source("limits.queued") == "default"


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf[limits]\r\nrunning = 3\r\n").limits.running == 3


def test_values_of_environment_variables_are_not_shown(tmp_path: Path) -> None:
    text = '[providers.parrot]\nenv = { KEY = "canary-4711" }\n[mcp_servers.s]\ncommand = "s"\nenv = { KEY = "canary-4711" }\n'
    assert "canary" not in repr(read(tmp_path, text))
    text = '[providers.parrot.env]\nKEY = ["canary-4711"]\n'
    assert "canary" not in repr(problems(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[limits]\nrunning = = 3\n", 2),
        ("[limits\n", 1),
        ("sync_deadline_s = 1\nsync_deadline_s = 2\n", 2),
        ('a = "open\n', 1),
        ("\n\nx = [1,\n", 4),
        (b"[limits]\n# \xff\n", 2),
        ("[limits]\nrunning = 3\n[limits]\n", 3),
    ],
    ids=["value", "header", "twice", "string", "end", "encoding", "table"],
)
def test_lesson_59_broken_toml_refuses_to_start(tmp_path: Path, text: str | bytes, line: int) -> None:
    ((file, found, message),) = problems(tmp_path, text)
    assert file == "config.toml"
    assert found == pytest.approx(line, abs=1 if line == 4 else 0)
    assert "TOML" in message or "UTF-8" in message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\n[limits]\nruning = 3\n", 3, "unknown key runing in [limits]; did you mean running?"),
        ("sync_deadline = 3\n", 1, "unknown key sync_deadline; did you mean sync_deadline_s?"),
        ("running = 3\n", 1, "unknown key running; did you mean limits.running?"),
        ("[store]\nurl='memory:'\nxyz = 3\n", 3, "unknown key xyz in [store]"),
        ("[stor]\nurl='memory:'\n", 1, "unknown key stor; did you mean store?"),
        (
            "[providers.macaw]\ncolour = 'red'\n",
            2,
            "unknown key colour in [providers.macaw]; did you mean providers.parrot.colour?",
        ),
        (
            "[providers.macaw]\nexecutabel = 'x'\n",
            2,
            "unknown key executabel in [providers.macaw]; did you mean executable?",
        ),
        ("[providers.parrot]\ncolor = 'red'\n", 2, "unknown key color in [providers.parrot]; did you mean colour?"),
        ("[providers.parot]\nexecutable = 'x'\n", 1, "no provider named parot is installed; did you mean parrot?"),
        ("[garden]\ncolour = 'red'\nflowers = 1\n", 3, "unknown key flowers in [garden]"),
        ("[mcp_servers.s]\ncommand = 's'\narg = []\n", 3, "unknown key arg in [mcp_servers.s]; did you mean args?"),
        ("limits = { runing = 3 }\n", 1, "unknown key runing in [limits]; did you mean running?"),
        ("limits.runing = 3\n", 1, "unknown key runing in [limits]; did you mean running?"),
    ],
    ids=lambda value: "",
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_good_one(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    assert problems(tmp_path, text) == [("config.toml", line, message)]


@pytest.mark.parametrize(
    ("text", "line", "start"),
    [
        ("[limits]\nrunning = 'many'\n", 2, "limits.running: input should be a valid integer"),
        ("[limits]\n\nrunning = 0\n", 3, "limits.running: input should be greater than or equal to 1"),
        ("sync_deadline_s = nan\n", 1, "sync_deadline_s: input should be"),
        ("sync_deadline_s = -1\n", 1, "sync_deadline_s: input should be greater"),
        ("limits = 3\n", 1, "limits: input should be"),
        ("providers = 3\n", 1, "providers: input should be"),
        ("[providers]\nparrot = 3\n", 2, "providers.parrot: input should be"),
        ("garden = 3\n", 1, "garden: input should be"),
        ("[jobs]\non_client_cancel = 'explode'\n", 2, "jobs.on_client_cancel: input should be 'detach' or 'cancel'"),
        ("[jobs]\ndefault_timeout_s = 86401\n", 2, "jobs.default_timeout_s: input should be less"),
        (
            "[providers.parrot]\ndefault_posture = 'root'\n",
            2,
            "providers.parrot.default_posture: input should be 'read_only'",
        ),
        ("[providers.parrot]\ncount = -1\n", 2, "providers.parrot.count: input should be greater"),
        ("[garden]\ncount = 'x'\n", 2, "garden.count: input should be a valid integer"),
        ("[store]\nurl = '/var/x'\n", 2, "store.url: string should match"),
        ("[mcp_servers.s]\nargs = ['x']\n", 1, "mcp_servers.s: give exactly one of command or url"),
        ("[mcp_servers.s]\ncommand='x'\nurl='y'\n", 1, "mcp_servers.s: give exactly one of command or url"),
    ],
    ids=lambda value: "",
)
def test_a_bad_value_is_named_with_its_line(tmp_path: Path, text: str, line: int, start: str) -> None:
    ((file, found, message),) = problems(tmp_path, text)
    assert (file, found) == ("config.toml", line)
    assert message.startswith(start)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    text = "[limits]\nruning = 3\nqueued = -1\n[garden]\nx = 1\n[providers.parot]\n"
    found = problems(tmp_path, text, LLM_GATEWAY_DEPTH="deep")
    assert [(file, line) for file, line, _ in found] == [
        ("config.toml", 2),
        ("config.toml", 3),
        ("config.toml", 5),
        ("config.toml", 6),
        ("LLM_GATEWAY_DEPTH", None),
    ]
    with pytest.raises(SettingsError, match=r"config\.toml, line 2: unknown key runing"):
        read(tmp_path, text)


def test_the_file_can_be_named_and_must_then_exist(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    ((where, line, message),) = problems(tmp_path, LLM_GATEWAY_CONFIG=str(other))
    assert (where, line) == ("LLM_GATEWAY_CONFIG", None)
    assert str(other) in message
    other.write_text("[limits]\nrunning = 7\n")
    settings = read(tmp_path, "[limits]\nrunning = 3\n", LLM_GATEWAY_CONFIG=str(other))
    assert settings.limits.running == 7
    assert settings.config_file == other


def test_a_file_that_cannot_be_read_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    ((file, _, message),) = problems(tmp_path)
    assert file == "config.toml"
    assert message.startswith("cannot be read")


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "[limits]\nrunning = 3\nqueued = 4\n",
        LLM_GATEWAY_LIMITS_RUNNING="5",
        LLM_GATEWAY_SYNC_DEADLINE_S="1.5",
        LLM_GATEWAY_JOBS_KEEP_OUTPUT="until_fetched",
        LLM_GATEWAY_PROVIDERS_PARROT_EXECUTABLE="/opt/parrot",
        LLM_GATEWAY_PROVIDERS_PARROT_COLOUR="red",
        LLM_GATEWAY_GARDEN_COUNT="7",
        LLM_GATEWAY_LIMITS_QUEUED="",
    )
    assert (settings.limits.running, settings.limits.queued) == (5, 4)
    assert settings.sync_deadline_s == 1.5
    assert settings.jobs.keep_output == "until_fetched"
    assert settings.provider("parrot").executable == Path("/opt/parrot")
    assert settings.options_of("parrot") == Feathers(colour="red")
    assert settings.plugins["garden"] == Feathers(count=7)
    assert settings.source("limits.running") == "LLM_GATEWAY_LIMITS_RUNNING"
    assert settings.warnings == ()


def test_the_names_from_before_are_understood(tmp_path: Path) -> None:
    settings = read(tmp_path, LLM_GATEWAY_JOB_RETENTION_DAYS="7", LLM_GATEWAY_DEDUP_WINDOW_MS="1500")
    assert settings.jobs.retention_days == 7
    assert settings.dedup_window_s == 1.5
    assert settings.source("dedup_window_s") == "LLM_GATEWAY_DEDUP_WINDOW_MS"
    assert problems(tmp_path, LLM_GATEWAY_DEDUP_WINDOW_MS="soon") == [
        ("LLM_GATEWAY_DEDUP_WINDOW_MS", None, "not a number")
    ]


def test_a_bad_value_of_the_environment_is_blamed_on_the_variable(tmp_path: Path) -> None:
    ((where, line, message),) = problems(tmp_path, "[limits]\nrunning = 3\n", LLM_GATEWAY_LIMITS_RUNNING="many")
    assert (where, line) == ("LLM_GATEWAY_LIMITS_RUNNING", None)
    assert message.startswith("limits.running: ")


def test_lesson_57_the_store_has_one_selector_and_two_names_for_one_key_are_an_error(tmp_path: Path) -> None:
    text = '[store]\nurl = "memory:"\n'
    assert read(tmp_path, text).store.url == "memory:"
    assert read(tmp_path, text, LLM_GATEWAY_STORE_URL="sqlite:///x").store.url == "sqlite:///x"
    for stray in ("LLM_GATEWAY_STORE", "LLM_GATEWAY_DATABASE_URL", "LLM_GATEWAY_SQLITE_PATH", "DATABASE_URL"):
        assert read(tmp_path, text, SECTIONS, **{stray: "elsewhere"}).store.url == "memory:"
    ((where, _, message),) = problems(tmp_path, LLM_GATEWAY_DEDUP_WINDOW_MS="1000", LLM_GATEWAY_DEDUP_WINDOW_S="2")
    assert where == "LLM_GATEWAY_DEDUP_WINDOW_S"
    assert "LLM_GATEWAY_DEDUP_WINDOW_MS" in message


def test_an_unknown_variable_is_a_warning_without_its_value(tmp_path: Path) -> None:
    settings = read(tmp_path, LLM_GATEWAY_LIMIT_RUNNING="canary", LLM_GATEWAY_PARROT_HOME="/p", LLM_GATEWAY_PLUGINS="")
    (warning,) = settings.warnings
    assert warning.startswith("LLM_GATEWAY_LIMIT_RUNNING ")
    assert "LLM_GATEWAY_LIMITS_RUNNING" in warning
    assert "canary" not in warning


def test_sections_of_plugins_that_are_not_loaded_are_left_unread_with_a_warning(tmp_path: Path) -> None:
    settings = read(tmp_path, "[broken]\nx = 1\n[providers.dodo]\ny = 1\n")
    file = tmp_path / "config.toml"
    assert [warning.partition("] ")[0] for warning in settings.warnings] == [
        f"{file}:1: [broken",
        f"{file}:3: [providers.dodo",
    ]
    assert "dodo" not in settings.providers


def test_without_plugins_any_provider_is_taken(tmp_path: Path) -> None:
    assert "dodo" in read(tmp_path, "[providers.dodo]\nexecutable = 'x'\n", sections=None).providers


@pytest.mark.parametrize(("value", "allowed"), [("1", True), ("0", False), ("", False)])
def test_bypass_is_allowed_only_by_a_one(tmp_path: Path, value: str, allowed: bool) -> None:
    assert read(tmp_path, LLM_GATEWAY_APPROVAL_ALLOW_BYPASS=value).allow_bypass is allowed


def test_a_doubtful_switch_refuses_to_start(tmp_path: Path) -> None:
    found = problems(tmp_path, LLM_GATEWAY_APPROVAL_ALLOW_BYPASS="true")
    assert found == [("LLM_GATEWAY_APPROVAL_ALLOW_BYPASS", None, "must be 1 or 0")]


def test_the_depth_is_read_and_never_guessed(tmp_path: Path) -> None:
    assert read(tmp_path, LLM_GATEWAY_DEPTH="2").depth == 2
    for bad in ("-1", "two", "1.5", "9999999"):
        assert problems(tmp_path, LLM_GATEWAY_DEPTH=bad)[0][0] == "LLM_GATEWAY_DEPTH"


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = read(tmp_path)
    for holder, key in ((settings, "sync_deadline_s"), (settings.limits, "running"), (settings, "allow_bypass")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(holder, key, 1)
