"""The command line of the bench."""

import pytest
from click.testing import CliRunner

from bench.__main__ import PARTS, cli


@pytest.mark.parametrize("words", PARTS, ids=" ".join)
def test_every_part_of_everything_is_a_command(words: list[str]) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"])
    assert (shown.exit_code, shown.output[:6]) == (0, "Usage:")
