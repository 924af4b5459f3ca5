"""What of a user's own configuration of a CLI applies to a run: the kernel's part, with a provider that reads one file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from llm_gateway import ConfigChoice, ConfigSource, McpServer, Notice, OwnConfig, error_for, trust as trusting
from llm_gateway.errors import InvalidRequest, ProviderFailed
from llm_gateway.planning.configuration import ConfigReader
from llm_gateway.planning.surroundings import BoundedThreads
from llm_gateway_provider_echo.plugin import EchoProvider
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio

Read = Callable[[ConfigChoice], OwnConfig]


class Reading:
    """Makes the provider one that reads configuration."""

    def __init__(self, home: Home, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.patch = patch
        self.asked: list[ConfigChoice] = []  #: what it was told to read

    def use(self, read: Read) -> None:
        """Have it read so, in gateways that are opened from now on."""

        def note(choice: ConfigChoice) -> OwnConfig:
            self.asked.append(choice)
            return read(choice)

        self.patch.setattr(EchoProvider, "info", replace(EchoProvider.info, read_config=note))

    async def environment(self, read: Read, names: str) -> dict[str, str]:
        """Those of these variables that the imitation agent saw."""
        self.use(read)
        async with self.home.open() as caller:
            answer = await caller.ask(names, scenario="env")
        return dict(json.loads(answer["text"])["values"])


@pytest.fixture
def reading(home: Home, monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(home, monkeypatch)


def nothing(choice: ConfigChoice) -> OwnConfig:
    return OwnConfig()


async def test_by_default_the_users_settings_and_all_instructions_apply_without_hooks_and_servers(
    home: Home, reading: Reading
) -> None:
    (home.work / ".git").mkdir()
    (home.work / "sub").mkdir()
    reading.use(nothing)
    async with home.open() as caller:
        await caller.ask(workingDir=str(home.work / "sub"))
    (choice,) = reading.asked
    assert (choice.source, choice.user, choice.instructions) == (ConfigSource.USER, True, True)
    assert (choice.user_hooks, choice.user_mcp_servers, choice.trusted) == (False, False, "")
    assert (choice.working_dir, choice.repository) == (str(home.work / "sub"), str(home.work))
    assert choice.environ["HOME"] == home.env["HOME"]


async def test_the_operator_chooses_what_applies(home: Home, reading: Reading) -> None:
    home.write_config(
        '[providers.echo]\nconfig = "isolated"\ninstructions = false\nuser_hooks = true\nuser_mcp_servers = true\n'
    )
    reading.use(nothing)
    async with home.open() as caller:
        await caller.ask()
    (choice,) = reading.asked
    assert (choice.source, choice.user, choice.instructions) == (ConfigSource.ISOLATED, False, False)
    assert (choice.user_hooks, choice.user_mcp_servers) == (True, True)


async def test_variables_of_the_settings_replace_the_gateways_and_give_way_to_the_operators(
    home: Home, reading: Reading
) -> None:
    home.env |= {"LANG": "gateway", "ACCOUNT_KEY": "k-1", "OTHER_KEY": "k-2"}
    home.write_config('[providers.echo]\nenv = {TZ = "operator"}\n')
    own = {"LANG": "settings", "TZ": "settings", "OWN": "x", "HOME": "/no", "LLM_GATEWAY_DEPTH": "0", "a b": "c"}
    names = "LANG TZ OWN HOME LLM_GATEWAY_DEPTH ACCOUNT_KEY OTHER_KEY MISSING"
    env = await reading.environment(lambda choice: OwnConfig(env=own, env_pass=("ACCOUNT_KEY", "MISSING")), names)
    assert env == {
        "LANG": "settings",
        "TZ": "operator",
        "OWN": "x",
        "HOME": home.env["HOME"],
        "LLM_GATEWAY_DEPTH": "1",
        "ACCOUNT_KEY": "k-1",
    }


async def test_values_of_the_settings_are_in_no_file_of_the_gateway(home: Home, reading: Reading) -> None:
    env = await reading.environment(lambda choice: OwnConfig(env={"OWN": "s3cret-canary"}), "nothing")
    assert env == {}
    found = [path for path in home.path.rglob("*") if path.is_file() and b"s3cret-canary" in path.read_bytes()]
    assert found == []


async def test_this_gateway_is_never_among_the_servers(home: Home, reading: Reading) -> None:
    servers = (
        McpServer(name="own", command="/usr/bin/server"),
        McpServer(name="gateway", command="/x/bin/llm-gateway-mcp"),
        McpServer(name="module", command="python", args=("-m", "llm_gateway.cli", "serve")),
        McpServer(name="far", url="https://example.org/mcp"),
    )
    reading.use(lambda choice: OwnConfig(mcp_servers=servers))
    async with home.open() as caller:
        configs = ConfigReader(caller.gateway.settings, home.env, BoundedThreads())
        read = configs.read_now(caller.gateway.providers["echo"], "")
    assert [server.name for server in read.mcp_servers] == ["own", "far"]


async def test_a_file_that_cannot_be_read_refuses_the_request(home: Home, reading: Reading) -> None:
    def broken(choice: ConfigChoice) -> OwnConfig:
        raise error_for("invalid_request", "settings.json is not valid JSON")

    reading.use(broken)
    async with home.open() as caller:
        error = await refused(InvalidRequest, caller.ask())
    assert "settings.json" in error.message


async def test_a_plugin_that_fails_to_read_is_named(home: Home, reading: Reading) -> None:
    reading.use(lambda choice: 1 / 0)  # type: ignore[arg-type, return-value]
    async with home.open() as caller:
        error = await refused(ProviderFailed, caller.ask())
    assert "plugin of echo" in error.message


async def test_a_changed_instruction_file_is_another_request(home: Home, reading: Reading) -> None:
    file = home.work.parent / "AGENTS.md"
    reading.use(lambda choice: OwnConfig(digest=file.read_text()))
    async with home.open() as caller:
        file.write_text("one")
        jobs = [await caller.start(), await caller.start()]
        file.write_text("two")
        jobs.append(await caller.start())
        await caller.wait(*set(jobs), until="all")
    assert jobs[0] == jobs[1] != jobs[2]


async def test_a_request_can_leave_instructions_out_and_not_bring_them_back(home: Home, reading: Reading) -> None:
    reading.use(nothing)
    async with home.open() as caller:
        await caller.ask("one")
        await caller.ask("two", instructions=False)
        assert "instructions" in caller.gateway.supports("echo")
    home.set(providers__echo__instructions="false")
    async with home.open() as caller:
        await caller.ask("three", instructions=True)
    assert [choice.instructions for choice in reading.asked] == [True, False, False]


async def test_a_provider_that_reads_no_configuration_cannot_be_asked_to_leave_instructions_out(home: Home) -> None:
    async with home.open() as caller:
        error = await refused(InvalidRequest, caller.ask(instructions=False))
        assert "instructions" in (error.message + str(error.recovery))
        assert "instructions" not in caller.gateway.supports("echo")


async def test_project_settings_apply_only_in_a_trusted_directory_and_else_with_a_notice(
    home: Home, reading: Reading
) -> None:
    home.set(providers__echo__config="project")
    reading.use(lambda choice: OwnConfig(notices=(Notice(code="own", message="x"),)))
    async with home.open() as caller:
        untrusted = await caller.ask("one")
        trusting.add(home.path, str(home.work))
        trusted = await caller.ask("two")
        (home.path / trusting.FILE).chmod(0o666)
        damaged = await caller.ask("three")
    assert [choice.source.value for choice in reading.asked] == ["user", "project", "user"]
    assert [choice.trusted for choice in reading.asked] == ["", str(home.work), ""]
    codes = [[warning["code"] for warning in answer["warnings"]] for answer in (untrusted, trusted, damaged)]
    assert codes == [["project_not_trusted", "own"], ["own"], ["project_not_trusted", "own"]]
    assert f"llm-gateway trust add {home.work}" in json.dumps(untrusted["warnings"])
    assert trusting.FILE in json.dumps(damaged["warnings"])


async def test_a_run_that_waited_in_the_queue_has_what_applies(home: Home, reading: Reading) -> None:
    home.set(limits__running=1)
    reading.use(lambda choice: OwnConfig(env={"OWN": "x"}))
    async with home.open() as caller:
        first = await caller.start(scenario="hang")
        await caller.begun(first)
        second = await caller.start("OWN", scenario="env")
        assert await caller.state(second) == "queued"
        await caller.cancel(first)
        await caller.wait(second, until="all")
        answer = await caller.result(second)
    assert json.loads(answer["text"])["values"] == {"OWN": "x"}
