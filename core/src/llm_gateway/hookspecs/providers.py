"""Hooks that are called on one provider.

A provider is one class (`gateway_register_provider`) or a set of single hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import asked_of

if TYPE_CHECKING:
    from llm_gateway.model.configuration import OwnConfig
    from llm_gateway.model.invocation import Invocation
    from llm_gateway.model.loopback import Loopback
    from llm_gateway.model.posture import Posture
    from llm_gateway.model.provider import ModelInfo, OutputReader, ProviderInfo, UpgradePlan
    from llm_gateway.model.provider_class import Provider
    from llm_gateway.model.record import Record
    from llm_gateway.model.reply import Failure, FinishedRun
    from llm_gateway.model.request import Request
    from llm_gateway.model.session import Resume, Session
    from llm_gateway.model.usage import CacheAccount


@asked_of("provider")
def gateway_register_provider() -> Provider:
    """Register a provider as one class. The kernel then calls its methods in place of the other hooks on this page.

    Called once, when the plugin is loaded. It cannot be wrapped: a plugin of another kind wraps the single hooks, which the
    kernel calls for a class too. The plugin may have other hooks beside it, such as `gateway_mcp_servers`.

    Example:
        class Echo(Provider):
            info = ProviderInfo(name="echo", title="Echo", executable="llm-gateway-echo", postures=tuple(Posture))

            def resume_session(self, request, session):
                return Resume()

            def build_argv(self, request, posture, resume):
                return Invocation(argv=("llm-gateway-echo",), stdin=request.prompt.text.encode())

            def open_reader(self, request):
                return EchoReader()


        @hookimpl
        def gateway_register_provider():
            return Echo()
    """


@asked_of("provider", required=True)
def gateway_describe_provider() -> ProviderInfo:
    """Describe the CLI of this plugin.

    Called once, when the plugin is registered. Must not inspect the machine: the kernel checks later whether the CLI is
    installed, from `ProviderInfo.executable`.

    Example:
        @hookimpl
        def gateway_describe_provider():
            return ProviderInfo(name="echo", title="Echo", executable="llm-gateway-echo", postures=tuple(Posture))
    """


@asked_of("provider", required=True)
def gateway_build_argv(
    request: Request, posture: Posture, resume: Resume, providers: Mapping[str, ProviderInfo], config: OwnConfig
) -> Invocation:
    """Build the command for one request.

    Called for each run, and again when a queued run starts or another gateway takes it over: the same arguments must give the
    same result. Pure.

    :param request: the caller's request; `request.options` is an instance of the provider's own options model.
    :param posture: the approved level, one of `ProviderInfo.postures`.
    :param resume: the conversation, as `gateway_resume_session` decided.
    :param providers: every loaded provider, by name: for a wrapper, such as a sandbox, that handles all of them.
    :param config: what of the user's own configuration applies, as `ProviderInfo.read_config` read it; empty without that function.

    May raise InvalidRequest for what this CLI cannot do. Put the prompt into `Invocation.stdin` or a file, not into argv.

    Example:
        @hookimpl
        def gateway_build_argv(request, posture, resume):
            return Invocation(argv=("llm-gateway-echo",), stdin=request.prompt.text.encode())
    """


@asked_of("provider", required=True)
def gateway_resume_session(request: Request, session: Session | None) -> Resume:
    """Decide which conversation a run continues or starts.

    Called for each run, before `gateway_build_argv`. Pure, except for the creation of a new id.

    :param request: the caller's request.
    :param session: the conversation to continue; None for a new one. Its `native_id` is None until the output of a first run
        contained it.

    For a new conversation return a Resume with a new `native_id`, if the CLI accepts one, so that the id is always known. May
    raise SessionNotResumable with the reason.

    Example:
        @hookimpl
        def gateway_resume_session(request, session):
            if session and session.native_id:
                return Resume(native_id=session.native_id, fresh=False)
            return Resume(native_id=NativeSessionId(str(uuid4())))
    """


@asked_of("provider", required=True)
def gateway_open_reader(request: Request) -> OutputReader:
    """Create a reader for the output of one run.

    Called for each run, and again when its output is read again (after a crash, from the first byte). One thread at a time calls
    the reader. It must be pure: the same bytes, split anywhere, give the same summary.

    :param request: the caller's request.

    Example:
        @hookimpl
        def gateway_open_reader(request):
            return EchoReader()
    """


@asked_of("provider")
def gateway_explain_failure(run: FinishedRun) -> Failure | None:
    """Return the cause of a failed run, with one of the closed set of error codes.

    Called once for each run that exited with a code other than 0, or whose summary says that it failed. Not called for runs that
    the gateway ended itself (time limits, cancel, overflow).

    :param run: request, posture, exit code, summary, and the last 8 KiB of stderr.

    None: the kernel applies its shared rules, and otherwise answers `provider_failed` with the last lines of stderr.

    Example:
        @hookimpl
        def gateway_explain_failure(run):
            if "log in" in run.stderr_tail:
                return Failure(code="auth_required", message="Echo is not logged in.", recovery="Run `echo login`.")
    """


@asked_of("provider")
def gateway_list_models(program: str | None) -> Sequence[ModelInfo]:
    """List the models that the CLI's own configuration, catalogue or files name, with the source of each name.

    Called on demand, in a worker thread. Must not return a list that is written into the plugin. An empty sequence: unknown.

    :param program: the path of the CLI that requests use; None: it is not installed.

    Example:
        @hookimpl
        def gateway_list_models():
            return [ModelInfo(id="echo-1", source="built in", default=True)]
    """


@asked_of("provider")
def gateway_upgrade_plan(target: str | None, program: str | None) -> UpgradePlan | None:
    """Return the command that would upgrade this installation of the CLI to a version. Runs nothing.

    Called on demand, in a worker thread.

    :param target: a version; None: the newest.
    :param program: the path of the CLI that requests use; None: it is not installed.

    None: the plugin cannot upgrade this installation.

    Example:
        @hookimpl
        def gateway_upgrade_plan(target):
            return UpgradePlan(argv=("npm", "install", "-g", f"echo@{target or 'latest'}"), method="npm")
    """


@asked_of("provider")
def gateway_account_cache(record: Record, earlier: Sequence[Record]) -> CacheAccount | None:
    """Interpret a turn's cached tokens by the provider's own rules.

    Called for each recorded turn. Pure.

    :param record: the flight record; its tokens are those of this turn alone.
    :param earlier: newest first: ended turns of the same conversation, then others with the same prefix; a few of each.

    None: nothing is known.

    Example:
        @hookimpl
        def gateway_account_cache(record):
            return CacheAccount(read_tokens=record.usage.cache_read_tokens, ttl_s=300.0)
    """


@asked_of("provider")
def gateway_loopback(service: str, folder: str, variant: str) -> Loopback | None:
    """Say how the CLI is pointed at a model service on this machine, and how its model calls its tools.

    `llm-gateway verify` uses it to try the installed program without an account and without the network. Pure.

    :param service: the address of the service, such as `http://127.0.0.1:4000`. `docs/how-to/verify.md` lists its paths.
    :param folder: the CLI's home directory, empty and private. `HOME` names it.
    :param variant: the program, if the provider has several.

    None: the CLI cannot be pointed at such a service; it is then not verified.

    Example:
        @hookimpl
        def gateway_loopback(service, folder):
            return Loopback(
                env={"ECHO_URL": f"{service}/v1"},
                key="ECHO_API_KEY",
                write=lambda path, text: ("write_file", {"path": path, "content": text}),
                shell=lambda command: ("run", {"command": command}),
            )
    """
