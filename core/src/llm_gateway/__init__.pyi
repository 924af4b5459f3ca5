"""What a plugin may import, for people, type checkers and `__init__.py`, which reads this file: one import a line."""

# fmt: off
# ruff: noqa: I001
from llm_gateway.cli.answers import answer_facts, show_answer
from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.following import follow, say_detached
from llm_gateway.cli.lists import age_text, cost_text, local_time, short_ids
from llm_gateway.cli.parsing import duration_s, moment_of
from llm_gateway.cli.piped import piped_text
from llm_gateway.cli.running import call_operation, run_async
from llm_gateway.cli.screen import json_line, say, say_json, styled, styled_state, table
from llm_gateway.cli.typed_ids import job_id_of, job_ids_of, session_id_of
from llm_gateway.cli.versions import in_range, judge_version, look_at_provider, program_of, run_briefly, version_of
from llm_gateway.digests import Budget, ContentDigest, OverBudget
from llm_gateway.errors import GatewayError, error_for
from llm_gateway.failures.reset_time import reset_time, system_zone
from llm_gateway.failures.rules import FailureFacts, FailureRule, Sign, failure_facts, http_status, named_failure
from llm_gateway.failures.shared_rules import COMMON_FAILURES
from llm_gateway.file_cache import read_cached
from llm_gateway.hookspecs import API_VERSION, hookimpl
from llm_gateway.installations import find_installed, gateway_command, path_for, probe_environment
from llm_gateway.instructions import InstructionFile, Instructions, in_parents, read_instructions, repository_files
from llm_gateway.instructions import with_imports
from llm_gateway.jobs.outcome import judge
from llm_gateway.locations import LocationError, config_file, expand_user, home_directory, user_home
from llm_gateway.model.command import Command
from llm_gateway.model.configuration import ConfigChoice, ConfigSource, OwnConfig
from llm_gateway.model.engine import Engine, Peers, RunSpec, RunView
from llm_gateway.model.gateway_api import Gateway, GatewayApi, JobsApi, RunOutput
from llm_gateway.model.ids import JobId, NativeSessionId, SessionId, new_job_id, new_session_id
from llm_gateway.model.invocation import EndReason, Invocation, Notice, RUN_FILES, RunEnd
from llm_gateway.model.job import Job, JobState
from llm_gateway.model.lines import LineSplitter, parse_line
from llm_gateway.model.loopback import Loopback
from llm_gateway.model.operation import CallContext, Diagnosis, Operation, PromptTemplate, Resource, Transport
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import BrokenVersions, EndStep, ModelInfo, NoOptions, OutputReader, ProviderInfo
from llm_gateway.model.provider import UpgradePlan
from llm_gateway.model.provider_class import Provider
from llm_gateway.model.record import Annotations, Decision, Record, Tally, Verdict, VerdictRecord
from llm_gateway.model.reply import Event, EventKind, Failure, FinishedRun, Reply, Summary
from llm_gateway.model.request import McpServer, Prompt, Proposal, Request
from llm_gateway.model.session import Resume, Session
from llm_gateway.model.spool import Spool
from llm_gateway.model.store import Admission, Limits, OpenReader, Store, StoreReader
from llm_gateway.model.stored import from_json, to_json
from llm_gateway.model.tools import Access, EVERYWHERE, Opened, place_of, split_entry
from llm_gateway.model.usage import CacheAccount, Cost, CostBasis, LimitWindow, RunFacts, Usage, plausible_usd
from llm_gateway.model.usage import token_count
from llm_gateway.opening import find_plugins, open_gateway
from llm_gateway.operations.answers import MAX_INLINE_CHARS, RequestResult, answer, reply_text
from llm_gateway.operations.directories import Directory, working_directory
from llm_gateway.operations.listing import listed_job, stamp, wire_object
from llm_gateway.operations.validation import Wire, check, json_of, operation
from llm_gateway.operations.views import error_view, job_view
from llm_gateway.owned_processes import OWNER, end_abandoned, owned
from llm_gateway.planning.invocation import find_program, run_environment
from llm_gateway.plugins import PluginHost
from llm_gateway.quoting import quoted
from llm_gateway.refused_versions import keep_refused
from llm_gateway.terminal import display, escaped_json, for_stream, one_line, without_controls
from llm_gateway.titles import prompt_of, title_of, with_titles
from llm_gateway.verified_versions import keep_verified, verified_build, verified_text

__version__: str
__all__ = [  # noqa: RUF022
    "API_VERSION", "Access", "Admission", "Annotations", "BrokenVersions", "Budget", "COMMON_FAILURES",
    "CacheAccount", "CallContext", "Command", "ConfigChoice", "ConfigSource", "ContentDigest", "Cost", "CostBasis",
    "Decision", "Diagnosis", "Directory", "EVERYWHERE", "EndReason", "EndStep", "Engine", "Event", "EventKind",
    "Exit", "Failure", "FailureFacts", "FailureRule", "FinishedRun", "Gateway", "GatewayApi", "GatewayError",
    "InstructionFile", "Instructions", "Invocation", "Job", "JobId", "JobState", "JobsApi", "LimitWindow", "Limits",
    "LineSplitter", "LocationError", "Loopback", "MAX_INLINE_CHARS", "McpServer", "ModelInfo", "NativeSessionId",
    "NoOptions", "Notice", "OWNER", "OpenReader", "Opened", "Operation", "OutputReader", "OverBudget", "OwnConfig",
    "Peers", "PluginHost", "Posture", "Prompt", "PromptTemplate", "Proposal", "Provider", "ProviderInfo",
    "RUN_FILES", "Record", "Reply", "Request", "RequestResult", "Resource", "Resume", "RunEnd", "RunFacts",
    "RunOutput", "RunSpec", "RunView", "Session", "SessionId", "Sign", "Spool", "Store", "StoreReader", "Summary",
    "Tally", "Transport", "UpgradePlan", "Usage", "UsageError", "Verdict", "VerdictRecord", "Wire", "age_text",
    "answer", "answer_facts", "call_operation", "check", "config_file", "cost_text", "display", "duration_s",
    "end_abandoned", "error_for", "error_view", "escaped_json", "expand_user", "failure_facts", "find_installed",
    "find_plugins", "find_program", "follow", "for_stream", "from_json", "gateway_command", "home_directory",
    "hookimpl", "http_status", "in_parents", "in_range", "job_id_of", "job_ids_of", "job_view", "json_line",
    "json_of", "judge", "judge_version", "keep_refused", "keep_verified", "listed_job", "local_time",
    "look_at_provider", "moment_of", "named_failure", "new_job_id", "new_session_id", "one_line", "open_gateway",
    "operation", "owned", "parse_line", "path_for", "piped_text", "place_of", "plausible_usd", "probe_environment",
    "program_of", "prompt_of", "quoted", "read_cached", "read_instructions", "reply_text", "repository_files",
    "reset_time", "run_async", "run_briefly", "run_environment", "say", "say_detached", "say_json", "session_id_of",
    "short_ids", "show_answer", "split_entry", "stamp", "styled", "styled_state", "system_zone", "table", "title_of",
    "to_json", "token_count", "user_home", "verified_build", "verified_text", "version_of", "wire_object",
    "with_imports", "with_titles", "without_controls", "working_directory",
]
