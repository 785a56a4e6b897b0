"""The command line's own gRPC client, which calls the service of its environment."""

import os
from pathlib import Path

import click
import grpc

from chassis.settings.transport import (
    ClientFiles,
    allows_plaintext,
    is_local,
    is_unix,
    read_client_files,
    read_server_files,
)

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # nosec B104  # compared with


def open_channel(listen: str) -> grpc.Channel:
    """Return a channel to the service that listens there; raises ClickException.

    It speaks TLS where the environment has certificates: those of a client, else the service's
    own, whose certificate it then trusts as it is.
    """
    host, colon, port = listen.rpartition(":")
    target = EVERY_ADDRESS.get(host, host) + colon + port
    try:
        files = _find_files()
        if files is not None and not is_unix(target):
            return grpc.secure_channel(target, _read(files), _name_server(files))
        if not is_local(target) and not allows_plaintext(os.environ):
            raise ValueError(
                f"The call to {target} would leave this machine in plaintext: set GRPC_TLS_CA, or "
                "GRPC_PLAINTEXT=allow where the network is trusted."
            )
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    return grpc.insecure_channel(target)


def _find_files() -> ClientFiles | None:
    files, own = read_client_files(os.environ), read_server_files(os.environ)
    if own is None:
        return files
    if files is None:
        hostname = os.environ.get("GRPC_TLS_HOSTNAME") or None
        return ClientFiles(own.certificate, own.certificate, own.key, hostname)
    if files.certificate is None:
        return ClientFiles(files.ca, own.certificate, own.key, files.hostname)
    return files


def _read(files: ClientFiles) -> grpc.ChannelCredentials:
    def read(path: Path | None) -> bytes | None:
        return path.read_bytes() if path else None

    return grpc.ssl_channel_credentials(read(files.ca), read(files.key), read(files.certificate))


def _name_server(files: ClientFiles) -> list[tuple[str, str]]:
    """Return the option with the name in the server's certificate, where it is another."""
    return [("grpc.ssl_target_name_override", files.hostname)] if files.hostname else []
