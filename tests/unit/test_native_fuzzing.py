"""What `make fuzz-native` is made of works on usual input, and what it found stays fixed."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_takes_its_seeds_whole_and_cut_short(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())
    assert seeds
    for seed in seeds:
        target.feed(seed)
    for size in range(0, len(seeds[0]), max(1, len(seeds[0]) // 50)):
        target.feed(seeds[0][:size])
