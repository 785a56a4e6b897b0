"""The channel under gevent, imported before gevent patches anything, as gunicorn imports it."""

import subprocess
import sys
from pathlib import Path

from tests.gateway.channel.peers import PATIENCE_SECONDS, peer
from tests.gateway.channel.test_channel import PROBE, Hung

ROOT = Path(__file__).parents[3]
CROWD = """
import sys, threading
from gateway import gunicorn_conf
from gateway.channel import Channel, RpcError
from google.protobuf.empty_pb2 import Empty
from gevent import monkey
monkey.patch_all()

target, probe = sys.argv[1:]
channel = Channel(target, breaker_deadlines=3, probe=probe)
codes = []

def call():
    try:
        channel.unary("/test.Test/Echo", Empty(), Empty, timeout=0.2)
    except RpcError as error:
        codes.append(error.code.name)

crowd = [threading.Thread(target=call) for _ in range(40)]
for each in crowd:
    each.start()
while channel.states() != {target: "ready"}:
    threading.Event().wait(0.01)
monkey.get_original("time", "sleep")(0.4)  # every deadline passes in one turn of the loop
for each in crowd:
    each.join()
print(codes.count("DEADLINE_EXCEEDED"), channel.states()[target])
"""
NATIVES = """
import dataclasses, sys
from gateway import gunicorn_conf
from gevent import monkey
monkey.patch_all()
import gateway
gateway.create_app()

natives = {id(each) for names in monkey.saved.values() for each in names.values()}

def look(name, found):
    if id(found) in natives and callable(found) or type(found) in locks:
        print(name)
    if dataclasses.is_dataclass(found) and isinstance(found, type):
        for each in dataclasses.fields(found):
            look(f"{name}.{each.name}", each.default_factory)

locks = {type(monkey.get_original("threading", each)()) for each in ("Lock", "RLock")}
for module, names in sorted(sys.modules.items()):
    if module.partition(".")[0] in ("gateway", "chassis") and module != "chassis.log_writer":
        for name, found in list(vars(names).items()):
            look(f"{module}.{name}", found)
"""


def _run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_a_crowd_whose_deadlines_pass_at_once_stops_nobody() -> None:
    script = Hung()
    script.hung.set()
    with peer(script) as at:
        assert _run(CROWD, at.target, PROBE) == "40 hung\n"


def test_whatever_waits_is_gevents_own() -> None:
    """Only the writer of the logs is not: it has a thread of the system."""
    assert _run(NATIVES) == ""
