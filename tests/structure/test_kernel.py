"""How the kernel's packages stand to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure.figures import Edge, Kernel, cycles, report, takes_gateway, upward

#: The one module of the model that names what is above it, for type checkers alone: the gateway as others see it.
TYPES_OF_THE_GATEWAY = "llm_gateway.model.gateway_api"


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture(scope="module")
def at_run_time(kernel: Kernel) -> list[Edge]:
    return [edge for edge in kernel.edges() if not edge.type_only]


def test_no_modules_import_each_other_at_run_time(at_run_time: list[Edge]) -> None:
    assert cycles(at_run_time) == []


def test_no_package_imports_a_higher_one(at_run_time: list[Edge]) -> None:
    assert [str(edge) for edge in upward(at_run_time)] == []


def test_the_model_imports_nothing_of_the_kernel_but_errors_and_itself(kernel: Kernel) -> None:
    own = ("llm_gateway.model.", "llm_gateway.errors")
    named = [edge for edge in kernel.edges() if edge.source.startswith("llm_gateway.model.")]
    found = [edge for edge in named if not f"{edge.target}.".startswith(own)]
    assert [str(edge) for edge in found if not (edge.type_only and edge.source == TYPES_OF_THE_GATEWAY)] == []


def test_no_function_of_the_kernel_takes_the_whole_gateway(kernel: Kernel) -> None:
    """A handler sees GatewayApi; everything else is given what it needs."""
    assert [f"{name}.{function.name}" for name, function in kernel.functions() if takes_gateway(function)] == []


def test_jobs_and_planning_are_given_what_they_need(kernel: Kernel) -> None:
    inner = ("llm_gateway.jobs.", "llm_gateway.planning.")
    functions = [(name, one) for name, one in kernel.functions() if name.startswith(inner)]
    assert [f"{name}.{one.name}" for name, one in functions if takes_gateway(one, "GatewayApi")] == []


def test_the_figures_can_be_printed(kernel: Kernel) -> None:
    printed = "\n".join(report(kernel))
    assert "cycles at run time: 0" in printed


def test_the_figures_see_what_they_look_for(tmp_path: Path) -> None:
    """A kernel that breaks the rules is caught."""
    sources = {
        "__init__": "",
        "model/__init__": "",
        "model/job": "from llm_gateway.jobs import runner\n",
        "jobs/__init__": "",
        "jobs/runner": "def run(gateway: Gateway) -> None:\n    from llm_gateway.model.job import Job\n",
        "settings/__init__": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from llm_gateway.jobs import runner\n",
    }
    for name, text in sources.items():
        path = tmp_path / f"core/src/llm_gateway/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    broken = Kernel(tmp_path)
    runtime = [edge for edge in broken.edges() if not edge.type_only]
    assert cycles(runtime) == [["llm_gateway.jobs.runner", "llm_gateway.model.job"]]
    assert [str(edge) for edge in upward(runtime)] == ["llm_gateway.model.job:1 imports llm_gateway.jobs.runner"]
    assert [function.name for _, function in broken.functions() if takes_gateway(function)] == ["run"]
