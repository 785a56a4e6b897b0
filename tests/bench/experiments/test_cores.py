"""The orders service on any core and on one, in a short form: whether it runs, not how fast."""

from pathlib import Path

import pytest

from bench.experiments.contenders import open_stores
from bench.experiments.parts.cores import ANY_CORE, ONE_CORE, WORKS, load_in_turn

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def test_it_works(tmp_path: Path) -> None:
    with open_stores("sqlite", tmp_path) as make_store:
        found = load_in_turn(make_store, rounds=1, seconds=0.3, connections=2)
    assert list(found) == list(WORKS)
    for of in found.values():
        assert set(of) == {ANY_CORE, ONE_CORE}
        for (sample,) in of.values():
            assert not sample.errors
            assert sample.throughput
            assert sample.cpu["orders"]
