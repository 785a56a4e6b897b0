"""Faults, counted: what was acknowledged stays, once, whatever is killed, cut, frozen or full.

`make chaos` is the long form (CHAOS=long): writers never pause, every process is frozen, and every
connection between two processes is disturbed in every way. In the short form each kind of fault
happens once or a few times. CHAOS_KILLS says how many processes are killed on each engine.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.campaign.faults import Campaign
from tests.chaos.campaign.load import Load
from tests.chaos.campaign.stage import run_stage
from tests.chaos.campaign.verdict import SETTLE, judge, write_table

IS_LONG = os.environ.get("CHAOS") == "long"
KILLS = int(os.environ.get("CHAOS_KILLS", "100" if IS_LONG else "3"))
PAUSE_SECONDS = 0.0 if IS_LONG else 0.1  # of a writer after a write


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_acknowledged_stays_once(
    tmp_path: Path, templates: Callable[[str, str], str], engine: str
) -> None:
    with run_stage(tmp_path, templates, engine) as stage:
        load = Load(stage, PAUSE_SECONDS)
        campaign = Campaign(stage, load, KILLS, IS_LONG)
        try:
            campaign.run()
        finally:
            load.stop()
        stage.clock.move(SETTLE)
        verdict = judge(stage, load)
        print("\n" + write_table(engine, load, verdict, campaign.done))
    assert verdict.list_faults() == []
    assert campaign.failed_in_turn == {}
