"""The orders service on any core and on one, in a short form: whether it runs, not how fast."""

import os
from pathlib import Path

import pytest

from bench.experiments.contenders import open_stores
from bench.experiments.launcher import run_contender
from bench.experiments.parts.cores import (
    ANY_CORE,
    CHOSEN_CORE,
    GIVEN_CORE,
    WORKS,
    build_setups,
    load_setups,
)

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def test_it_works(tmp_path: Path) -> None:
    with open_stores("sqlite", tmp_path) as make_store:
        found = load_setups(make_store, rounds=1, seconds=0.3, connections=2)
    assert list(found) == list(WORKS)
    for of in found.values():
        assert set(of) == {ANY_CORE, CHOSEN_CORE, GIVEN_CORE}
        for (sample,) in of.values():
            assert not sample.errors
            assert sample.throughput
            assert sample.cpu["orders"]


def test_only_the_service_that_is_kept_has_one_core(tmp_path: Path) -> None:
    with open_stores("sqlite", tmp_path) as make_store:
        kept = build_setups(make_store)[GIVEN_CORE]
        with run_contender(kept, tmp_path) as roots:
            found = {name: len(os.sched_getaffinity(pid)) for name, pid in roots.items()}
    assert found == {"orders": 1, "gateway": len(os.sched_getaffinity(0))}
