"""`python -m protos` regenerates the code; with a folder as argument it writes there."""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
IMAGE = "optigate.binpb"  # a FileDescriptorSet, for tools that neither compile nor use reflection


def generate(out: Path) -> None:
    """Write the stubs and the image of the proto files below `out`/protos."""
    well_known = str(files("grpc_tools") / "_proto")
    targets = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    sources = sorted(f"protos/{path.name}" for path in HERE.glob("*.proto"))
    (out / "protos").mkdir(exist_ok=True)
    image = [f"--descriptor_set_out={out / 'protos' / IMAGE}", "--include_imports"]
    status = protoc.main(
        [
            *("protoc", f"-I{HERE.parent}", f"-I{well_known}"),
            *(*targets, *image, *sources),
        ]
    )
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
