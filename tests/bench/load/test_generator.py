"""The load counts, checks and times correctly; its speed is not tested."""

from collections import Counter

import pytest

from bench.load import generator
from bench.load.generator import Load, Result
from bench.load.http1 import read_content_length
from bench.scenarios.bodies import PLACEHOLDER, build_http_request
from bench.scenarios.scenario import CreateOverHttp, ReadOverHttp
from tests.bench.load.servers import CLOSE, serving

GET = build_http_request("GET", "/")


def test_a_closed_loop_sends_as_many_requests_as_were_asked() -> None:
    with serving(lambda count: (201, b"id %d" % count, 0.0)) as address:
        scenario = CreateOverHttp(address, GET, 201)
        result = Load(scenario, connections=4, seconds=30, requests=200).run()
    assert sorted(scenario.answers) == sorted(b"id %d" % count for count in range(1, 201))
    assert (result.answered, len(result.latencies), result.errors) == (200, 200, Counter())
    assert 0 < result.seconds < 30
    assert result.client_cpu > 0
    assert scenario.list_broken_promises() == []


def test_an_open_loop_sends_at_its_rate() -> None:
    with serving(lambda count: (200, b"same", 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        result = Load(scenario, connections=4, seconds=0.5, rate=200).run()
    assert len(result.latencies) == 100
    assert result.errors == Counter()
    assert scenario.list_broken_promises() == []


def test_a_stall_counts_for_all_that_were_due_meanwhile() -> None:
    # One connection, 100 requests/s, and one answer that takes 0.3 s: the 30 behind it wait too.
    with serving(lambda count: (200, b"", 0.3 if count == 10 else 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        result = Load(scenario, connections=1, seconds=0.5, rate=100).run()
    assert len(result.latencies) == 50
    assert sum(latency > 0.1 for latency in result.latencies) >= 15
    assert result.latencies[-1] >= 0.3


def test_the_warmup_is_checked_but_not_measured() -> None:
    with serving(lambda count: (201, b"one id", 0.0)) as address:
        scenario = CreateOverHttp(address, GET, 201)
        result = Load(scenario, connections=1, seconds=0.05, rate=100, warmup=0.2).run()
    assert len(result.latencies) == 5
    assert len(scenario.answers) > len(result.latencies)


def test_the_edges_of_the_measured_part_are_signalled_once() -> None:
    told = []
    with serving(lambda count: (200, b"", 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        edges = (lambda: told.append("begin"), lambda: told.append("end"))
        Load(scenario, 2, seconds=0.1, warmup=0.05, begin=edges[0], end=edges[1]).run()
    assert told == ["begin", "end"]


def test_other_statuses_are_errors_and_no_latencies() -> None:
    with serving(lambda count: (503 if count % 4 == 0 else 200, b"", 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        result = Load(scenario, connections=2, seconds=30, requests=40).run()
    assert result.errors == Counter({"503": 10})
    assert (result.answered, len(result.latencies)) == (30, 30)


def test_a_closed_connection_loses_its_request_and_is_replaced() -> None:
    with serving(lambda count: (CLOSE if count == 5 else 200, b"", 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        result = Load(scenario, connections=2, seconds=30, requests=20).run()
    assert result.errors == Counter({"closed": 1})
    assert result.answered == 19


def test_requests_without_an_answer_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "PATIENCE_SECONDS", 0.3)
    with serving(lambda count: (200, b"", 5.0 if count > 10 else 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        result = Load(scenario, connections=2, seconds=0.2, rate=100).run()
    assert result.errors == Counter({"timeout": 10})
    assert len(result.latencies) == 20


def test_an_id_that_is_given_twice_is_a_broken_promise() -> None:
    with serving(lambda count: (201, b"id %d" % (count // 2), 0.0)) as address:
        scenario = CreateOverHttp(address, GET, 201)
        Load(scenario, connections=1, seconds=30, requests=11).run()
    assert scenario.list_broken_promises() == ["5 ids were assigned twice"]


def test_a_document_that_changes_is_a_broken_promise() -> None:
    with serving(lambda count: (200, b"%d" % (count // 10), 0.0)) as address:
        scenario = ReadOverHttp(address, GET, 200)
        Load(scenario, connections=1, seconds=30, requests=12).run()
    assert scenario.list_broken_promises() == ["3 reads differed"]


def test_each_request_has_a_key_of_its_own() -> None:
    scenario = CreateOverHttp(
        ("127.0.0.1", 1), build_http_request("POST", "/", {}, {"key": PLACEHOLDER.decode()}), 201
    )
    assert scenario.request(7).endswith(b'{"key": "%032d"}' % 7)
    assert len({scenario.request(number) for number in range(50)}) == 50


@pytest.mark.parametrize(
    ("share", "milliseconds"), [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (0.999, 100.0), (1, 100.0)]
)
def test_a_percentile_is_the_latency_that_so_many_did_not_exceed(
    share: float, milliseconds: float
) -> None:
    result = Result()
    result.latencies.extend(number / 1000 for number in range(1, 101))
    assert result.percentile(share) == pytest.approx(milliseconds)


def test_a_length_is_found_whatever_its_case() -> None:
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-LENGTH: 12\r\nX: y\r\n\r\n"
    assert read_content_length(head) == 12
    with pytest.raises(ConnectionError, match="without Content-Length"):
        read_content_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
