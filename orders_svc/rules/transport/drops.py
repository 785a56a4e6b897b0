"""A lab's drop: folders for jobs and for status files, on this machine or on an SFTP server."""

import base64
import binascii
import re
from pathlib import PurePosixPath
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

# Those that a host key may be of; DSA and RSA with SHA-1 are broken.
HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
FOLDERS = {"out": "out", "in": "in", "done": "done", "failed": "failed"}
MAX_PATH_LENGTH = 500
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45})\Z")
_USER = re.compile(r"[!-~]{1,100}\Z")


def _check_path(text: str) -> None:
    if not 0 < len(text) <= MAX_PATH_LENGTH or not text.isprintable():
        raise ValidationError(f"Must be a path of 1 to {MAX_PATH_LENGTH} printable characters.")


def _check_absolute(text: str) -> None:
    _check_path(text)
    if not text.startswith("/"):
        raise ValidationError("Must be an absolute path.")


def _check_host_key(text: str) -> None:
    """Require a public key as `ssh-keyscan` writes it, without the name of the host."""
    kind, _, packed = text.partition(" ")
    packed = packed.partition(" ")[0]
    try:
        content = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    named = len(kind).to_bytes(4, "big") + kind.encode()
    if kind not in HOST_KEY_TYPES or not content.startswith(named) or len(content) > 4096:
        raise ValidationError(
            "Must be a public key such as `ssh-ed25519 AAAAC3...`, of one of these types: "
            + ", ".join(HOST_KEY_TYPES)
            + "."
        )


class SftpSchema(Schema):
    """The SFTP server of a drop; its host keys are pinned, and secrets are in files."""

    host = fields.String(required=True, validate=validate.Regexp(_HOST))
    port = fields.Integer(strict=True, load_default=22, validate=validate.Range(1, 65535))
    user = fields.String(required=True, validate=validate.Regexp(_USER))
    host_keys = fields.List(
        fields.String(validate=_check_host_key), required=True, validate=validate.Length(1, 10)
    )
    key_file = fields.String(load_default=None, validate=_check_absolute)
    password_file = fields.String(load_default=None, validate=_check_absolute)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Require exactly one of a key and a password."""
        if bool(data.get("key_file")) == bool(data.get("password_file")):
            raise ValidationError({"key_file": ["Must have one of key_file and password_file."]})


FoldersSchema = Schema.from_dict(
    {
        name: fields.String(load_default=default, validate=_check_path)
        for name, default in FOLDERS.items()
    },
    name="FoldersSchema",
)


class DropSchema(FoldersSchema):  # type: ignore[misc,valid-type]  # `in` is no name of Python's
    """A drop: `folder` on this machine, or on the server of `sftp`, with its four folders."""

    folder = fields.String(required=True, validate=_check_path)
    sftp = fields.Nested(SftpSchema, load_default=None)
    status_files = fields.Boolean(load_default=True)

    @validates_schema
    def check_folders(self, data: dict[str, Any], **_: Any) -> None:
        """Require an absolute folder on this machine, and four that differ."""
        if data["sftp"] is None:
            try:
                _check_absolute(data["folder"])
            except ValidationError as error:
                raise ValidationError({"folder": error.messages}) from None
        used: set[str] = set()
        for name in FOLDERS:
            path = _join(data["folder"], data[name])
            if path in used:
                raise ValidationError({name: ["Must be a folder of its own."]})
            used.add(path)

    @post_load
    def join_folders(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the drop with the whole path of each of its folders."""
        return {**data, **{name: _join(data["folder"], data[name]) for name in FOLDERS}}


def _join(folder: str, name: str) -> str:
    """Return the path of a folder of a drop; an absolute one stays as it is."""
    return str(PurePosixPath(folder) / name)


def write_address(drop: dict[str, Any]) -> str:
    """Return a drop as a URL for people to read."""
    sftp = drop["sftp"]
    if sftp is None:
        return f"file://{drop['folder']}"
    host = f"[{sftp['host']}]" if ":" in sftp["host"] else sftp["host"]
    return f"sftp://{sftp['user']}@{host}:{sftp['port']}/{drop['folder'].lstrip('/')}"


def name_job(order_id: str, version: int) -> str:
    """Return the name of a job at its lab: the same in every attempt."""
    return f"{order_id}-v{version}"
