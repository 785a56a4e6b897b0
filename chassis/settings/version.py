"""The version of Optigate that runs: of the installed package, else of the source tree."""

from pathlib import Path


def find_version() -> str:
    """Return the version."""
    from importlib.metadata import PackageNotFoundError, version

    source = Path(__file__).parents[2] / "pyproject.toml"
    if source.exists():
        import tomllib

        return str(tomllib.loads(source.read_text())["project"]["version"])
    try:
        return version("optigate")
    except PackageNotFoundError:
        return "unknown"
