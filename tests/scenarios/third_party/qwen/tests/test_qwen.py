"""Runs of Qwen Code 0.24.4, recorded against a model service on loopback, and the contract of a provider."""

from pathlib import Path

import llm_gateway_provider_qwen as plugin

from llm_gateway_testing import ProviderContract, Sample

SAMPLES = Path(__file__).parent / "samples"
ID = "0a1b2c3d-0000-4000-8000-00000000abcd"


def recorded(name, **facts):
    return Sample(name=name, stdout=(SAMPLES / f"{name}.jsonl").read_bytes(), **facts)


class TestQwen(ProviderContract):
    plugin = plugin
    name = "qwen"
    credentials = frozenset({"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DASHSCOPE_API_KEY"})
    samples = (
        recorded("answer", text="größer 日本語", native_id=ID),
        recorded("tool", native_id="21ed599b-67dd-4fed-a9d1-028c29c3df30"),
        recorded("bad_key", exit_code=1, failure="auth_required"),
        recorded("no_model", exit_code=1, failure="bad_model"),
        Sample(
            name="unknown session",
            stdout=b"",
            stderr="No saved session found with ID x. Run `qwen --resume` without an ID.\n",
            exit_code=1,
            failure="session_not_found",
        ),
    )


def test_a_failure_that_only_the_service_tells_is_known_by_the_shared_rules():
    case = TestQwen()
    words = (
        b'{"type":"result","is_error":true,"error":{"message":"[API Error: 429 quota exceeded. Try again in 2 hours]"}}'
    )
    failure = case.explain(Sample(name="x", stdout=words, exit_code=1))
    assert (failure.code, failure.retryable) == ("quota_exhausted", True)
    assert failure.reset_at


def test_a_slash_and_an_at_are_only_words():
    case = TestQwen()
    assert case.build(case.request("/quit")).stdin == b" /quit"
    made = case.build(case.request("see @note.txt"))
    assert made.stdin == b"see \\@note.txt"
    assert [notice.code for notice in made.warnings] == ["prompt_escaped"]
