"""More and more providers, each a distribution of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median

from tests.bench.growth.table import Growth
from tests.bench.memory import private, resident
from tests.bench.world import HERE, QUICK, World

LOADS = (1, 3) if QUICK else (1, 2, 5, 10, 20)
STARTS = 1 if QUICK else 7
START, MEMORY = "Starts with so many providers", "Memory with so many providers"
_METADATA = "Metadata-Version: 2.1\nName: llm-gateway-provider-{name}\nVersion: 1\n"
_OTHERS = "cache,claude_code,connect,git,managed,mcp_servers,operations,pricing,records,review"


def measure(make: Callable[[], World]) -> Growth:
    """Install so many, and nothing else that is a provider; start, with what an earlier start left and without."""
    growth = Growth(
        "providers",
        "Providers",
        "providers",
        LOADS,
        "Each is a distribution with a module, an options model and an entry point of its own; all other shipped plugins are there too. "
        "Cold: the first start after an installation, no manifest, bytecode compiled. Warm: every later one.",
    )
    for load in LOADS:
        world = make()
        _install(world, load)
        world.warm_up()  # compiles
        cold, warm, listed, first, sizes = [], [], [], [], []
        for _ in range(STARTS):
            world.manifest.unlink(missing_ok=True)
            began = time.perf_counter()
            with world.serve() as client:
                client.begin()
                cold.append(time.perf_counter() - began)
            world.warm()
            began = time.perf_counter()
            with world.serve() as client:
                client.begin()
                warm.append(time.perf_counter() - began)
                listing, size, took = client.ask_raw("tools/list")
                listed.append(took)
                sizes.append(size)
                client.call("llm_job_list", {"limit": 1})
                first.append(time.perf_counter() - began)
                growth_of = resident(client.pid), private(client.pid)
        offered = [tool["name"] for tool in listing["tools"] if tool["name"].endswith("_request_async")]
        assert len(offered) == load, offered
        growth.add("start to the `initialize` answer, cold", load, median(cold) * 1000, "ms", picture=START)
        growth.add("start to the `initialize` answer, warm", load, median(warm) * 1000, "ms", picture=START)
        growth.add("start to the first tool's answer", load, median(first) * 1000, "ms", picture=START)
        growth.add("`tools/list`, warm", load, median(listed) * 1000, "ms", picture=START)
        growth.add("`tools/list`, whole frame", load, median(sizes) / 1000, "kB")
        growth.add("memory of the idle gateway (resident)", load, growth_of[0], "MB", picture=MEMORY)
        growth.add("memory of the idle gateway (private)", load, growth_of[1], "MB", picture=MEMORY)
    return growth


def _install(world: World, number: int) -> None:
    """Lay out modules and what an installer writes beside them; leave out the other providers."""
    source = (HERE / "provider/llm_gateway_bench_provider.py").read_text()
    site = world.root / "site"
    names = [f"agent{n}" for n in range(number)]
    for name in names:
        module = f"llm_gateway_provider_{name}"
        found = site / f"{module}-1.dist-info"
        found.mkdir(parents=True)
        (found / "entry_points.txt").write_text(f"[llm_gateway.provider]\n{name} = {module}\n")
        (found / "METADATA").write_text(_METADATA.format(name=name))
        words = source.replace('name="tiny"', f'name="{name}"').replace('title="Tiny"', f'title="{name.title()}"')
        assert words != source
        (site / f"{module}.py").write_text(words)
    world.environ["PYTHONPATH"] = os.pathsep.join([str(site), world.environ["PYTHONPATH"]])
    world.environ["LLM_GATEWAY_PLUGINS"] = ",".join([_OTHERS, *(f"provider:{name}" for name in names)])
