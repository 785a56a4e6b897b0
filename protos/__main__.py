"""`python -m protos` regenerates the code; with a folder as argument it writes there."""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent


def generate(out: Path) -> None:
    """Write stubs of every proto file below `out`/protos."""
    well_known = str(files("grpc_tools") / "_proto")
    targets = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    sources = sorted(f"protos/{path.name}" for path in HERE.glob("*.proto"))
    status = protoc.main(["protoc", f"-I{HERE.parent}", f"-I{well_known}", *targets, *sources])
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
