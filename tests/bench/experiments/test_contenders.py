"""What the bench needs of the Procfile is there."""

import shlex
from pathlib import Path

from bench.experiments.contenders import PROCFILE, Stores, build_gateway_command, optigate
from bench.experiments.launcher import format_address
from demo.procfile import read_procfile

FLOORS = "bench.experiments.floors:create_app()"


def test_the_gateway_calls_over_sockets_as_after_make_run(tmp_path: Path) -> None:
    for folder, has_sockets, is_socket in (
        (tmp_path, True, True),
        (tmp_path, False, False),
        (tmp_path / ("x" * 100), True, False),
    ):
        folder.mkdir(exist_ok=True)
        contender = optigate(Stores("sqlite", folder), ("orders",), has_sockets=has_sockets)
        service, gateway = contender.processes
        path = service.env.get("ORDERS_LISTEN_SOCKET")
        assert (path is not None) == is_socket
        address = format_address(contender.grpc["orders"])
        assert service.env["ORDERS_LISTEN"] == address
        assert gateway.env["GATEWAY_ORDERS_ADDR"] == (f"unix:{path}" if path else address)


def test_another_application_runs_under_the_gateways_command_line() -> None:
    words = shlex.split(read_procfile(PROCFILE)["gateway"])
    ours = words[words.index("python") :]  # without variables
    exec_, *other = shlex.split(build_gateway_command(FLOORS, ("127.0.0.1", 1)))
    assert exec_ == "exec"
    assert "--bind" in ours
    assert [(old, new) for old, new in zip(ours, other, strict=True) if old != new] == [
        ("${GATEWAY_BIND:-127.0.0.1:8080}", "127.0.0.1:1"),
        ("gateway:create_app()", FLOORS),
    ]
