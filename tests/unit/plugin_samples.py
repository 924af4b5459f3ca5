"""Entry points that were never installed, and small plugins behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from llm_gateway import Invocation, Posture, ProviderInfo, Resume, hookimpl
from llm_gateway.plugins import PluginHost, PluginRecord


@dataclass
class Point:
    """An entry point that was never installed."""

    name: str
    target: Callable[[], Any]
    kind: str = "provider"
    dist: Any = field(default_factory=lambda: SimpleNamespace(name="parrot-dist", version="1.2"))

    @property
    def distributions(self) -> tuple[Any, ...]:
        return (self.dist,)

    @property
    def group(self) -> str:
        return f"llm_gateway.{self.kind}"

    @property
    def value(self) -> str:
        return f"{self.name}.plugin"

    def load(self) -> Any:
        return self.target()


INFO = ProviderInfo(name="parrot", title="Parrot", executable="parrot", postures=tuple(Posture))


class Parrot:
    def __init__(self, info: Any = INFO) -> None:
        self.info = info

    @hookimpl
    def gateway_describe_provider(self) -> Any:
        if isinstance(self.info, BaseException):
            raise self.info
        return self.info

    @hookimpl
    def gateway_build_argv(self) -> Invocation:
        return Invocation(argv=(self.info.executable,))

    @hookimpl
    def gateway_resume_session(self) -> Resume:
        return Resume()

    @hookimpl
    def gateway_open_reader(self) -> Any:
        return None


class Watcher:
    @hookimpl
    def gateway_job_changed(self, job: Any) -> None: ...


class House:
    @hookimpl
    def gateway_open_store(self, url: str) -> None:
        return None


def raising(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


def record_of(
    plugin: object, *, kind: str = "provider", name: str = "parrot", host: PluginHost | None = None
) -> PluginRecord:
    return (host or PluginHost()).register(plugin, kind=kind, name=name)


def only(host: PluginHost) -> PluginRecord:
    (record,) = host.records
    return record
