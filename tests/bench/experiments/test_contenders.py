"""What the bench needs of the Procfile is there."""

import shlex

from bench.experiments.contenders import PROCFILE, build_gateway_command
from demo.procfile import read_procfile

FLOORS = "bench.experiments.floors:create_app()"


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
