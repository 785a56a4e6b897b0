"""The hop with and without TLS, in a short form: whether it runs, not what it costs."""

from pathlib import Path

import pytest

from bench.experiments.contenders import open_stores
from bench.experiments.tls import HOPS, list_variables, load_hops

# Several processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def test_it_works(tmp_path: Path) -> None:
    with open_stores("sqlite", tmp_path) as make_store:
        found = load_hops(make_store, rounds=1, seconds=0.3, connections=2)
    assert list(found) == ["POST /v1/orders", "GET /v1/orders/:id"]
    for of in found.values():
        assert tuple(of) == HOPS
        for (sample,) in of.values():
            assert not sample.errors
            assert sample.latencies
            assert {"orders", "gateway"} <= sample.cpu.keys()


def test_each_hop_has_certificates_of_its_own(tmp_path: Path) -> None:
    plaintext, tls, mutual = (list_variables(hop, tmp_path / hop) for hop in HOPS)
    assert plaintext == {}
    assert tls["orders"].keys() == {"GRPC_TLS_CERT", "GRPC_TLS_KEY"}
    assert tls["gateway"].keys() == {"GRPC_TLS_CA"}
    assert "GRPC_TLS_CLIENT_CA" in mutual["orders"]
    assert "GRPC_TLS_CLIENT_CERT" in mutual["gateway"]
    assert all(
        Path(each).is_file() for hop in (tls, mutual) for of in hop.values() for each in of.values()
    )
