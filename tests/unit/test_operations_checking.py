import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway.operations.requests import RESERVED, RequestParams
from llm_gateway.operations.validation import Wire, check
from llm_gateway_extension_operations.jobs import WaitParams


def test_an_unknown_parameter_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidRequest, match="unknown parameter timeoutMS; did you mean timeoutMs"):
        check(RequestParams, {"prompt": "x", "timeoutMS": 5})


def test_a_python_spelling_is_unknown_on_the_wire() -> None:
    with pytest.raises(InvalidRequest, match="unknown parameter working_dir; did you mean workingDir"):
        check(RequestParams, {"prompt": "x", "working_dir": "/"})


def test_nothing_is_converted() -> None:
    with pytest.raises(InvalidRequest, match="timeoutMs"):
        check(RequestParams, {"prompt": "x", "timeoutMs": "5"})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest, match="jobIds is required; timeoutMs"):
        check(WaitParams, {"timeoutMs": 60_000})


@pytest.mark.parametrize(
    "arguments",
    [{"model": "--dangerous"}, {"sessionId": "-x"}, {"allowedTools": ["Bash", "--flag"]}, {"effort": " x"}],
)
def test_no_value_can_look_like_a_flag(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        check(RequestParams, {"prompt": "x", **arguments})


def test_lesson_24_a_nul_byte_anywhere_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"outputSchema\.title contains a NUL byte"):
        check(RequestParams, {"prompt": "x", "outputSchema": {"title": "a\0b"}})


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="prompt"):
        check(RequestParams, {"prompt": "\ud800"})


def test_no_value_is_repeated_in_the_error() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(RequestParams, {"prompt": 12345678})
    assert "12345678" not in caught.value.message


def test_the_common_parameters_are_reserved_by_their_wire_names() -> None:
    assert {"prompt", "promptParts", "workingDir", "onBusy"} <= RESERVED


def test_what_goes_over_the_wire_is_made_ready_when_it_is_first_used() -> None:
    class Rare(Wire):
        how_often: int

    assert not Rare.__pydantic_complete__
    assert check(Rare, {"howOften": 1}).how_often == 1
    assert Rare.__pydantic_complete__


class Told(Wire):
    where: str


def test_half_a_character_in_a_result_is_replaced_and_no_error() -> None:
    told = Told(where="/w\udcff").model_dump_json(by_alias=True)
    assert told == '{"where":"/w\ufffd"}'
    assert Told(where="/ö").model_dump_json() == '{"where":"/ö"}'
