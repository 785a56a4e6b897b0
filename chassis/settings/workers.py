"""Where the workers of a service are, for the process that starts them and for their clients."""

from pathlib import Path

UNIX = "unix:"


def list_sockets(name: str, data_dir: Path, count: int) -> list[str]:
    """Return the Unix sockets of a service's workers, in the data folder."""
    return [f"{UNIX}{data_dir.absolute()}/{name}-{n}.sock" for n in range(1, count + 1)]
