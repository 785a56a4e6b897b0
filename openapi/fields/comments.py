"""The comments of the proto files, by the full name of what they describe."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).parent.parent.parent
# Field numbers of FileDescriptorProto, DescriptorProto and ServiceDescriptorProto.
MESSAGES, SERVICES, SYNTAX, MEMBERS = 4, 6, 12, 2


def read_comments() -> Mapping[str, str]:
    """Return the comments of all proto files; that of a file is under its package."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos.bin"
        well_known = str(files("grpc_tools") / "_proto")
        sources = sorted(f"protos/{path.name}" for path in (ROOT / "protos").glob("*.proto"))
        arguments = [f"-I{ROOT}", f"-I{well_known}", "--include_source_info"]
        status = protoc.main(["protoc", *arguments, f"--descriptor_set_out={out}", *sources])
        if status:
            raise SystemExit(status)
        compiled = FileDescriptorSet.FromString(out.read_bytes())
    return {name: text for file in compiled.file for name, text in _list_comments(file)}


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a comment."""
    return [each for each in re.split(r"(?<=[.)])\s+(?=[A-Z\"])", text.replace("\n", " ")) if each]


def _list_comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        if location.leading_comments:
            name = _name_path(file, list(location.path))
            if name is not None:
                yield name, _join_lines(location.leading_comments)


def _name_path(file: FileDescriptorProto, path: list[int]) -> str | None:
    if path == [SYNTAX]:
        return file.package
    if len(path) not in (2, 4) or path[0] not in (MESSAGES, SERVICES):
        return None
    of: Any = (file.message_type if path[0] == MESSAGES else file.service)[path[1]]
    if len(path) == 2:
        return f"{file.package}.{of.name}"
    if path[2] != MEMBERS:
        return None
    members = of.field if path[0] == MESSAGES else of.method
    return f"{file.package}.{of.name}.{members[path[3]].name}"


def _join_lines(comment: str) -> str:
    """Return a comment with the lines of each paragraph joined."""
    paragraphs = re.split(r"\n\s*\n", comment.strip("\n"))
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)
