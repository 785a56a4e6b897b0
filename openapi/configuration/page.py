"""The page docs/reference/configuration.md."""

from pathlib import Path

from openapi.configuration.keys import write_keys
from openapi.configuration.variables import write_variables

OPERATE = Path(__file__).parent.parent.parent / "docs" / "operate.md"
HEADING = """# Configuration

Every environment variable that a process reads, and every key of the files that `load` takes. This
page is written by `python -m openapi` from the options of the commands, the code that reads the
environment, and the schemas that check the files; what variables mean is in
[operate.md](../operate.md), whose sections it names.

## The environment

| variable | default | meaning |
|---|---|---|
"""


def write_page() -> str:
    """Return the whole page."""
    return f"{HEADING}{write_variables(OPERATE.read_text())}\n{write_keys()}"
