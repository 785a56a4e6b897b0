"""frame.tracing in orders: refused, measured, drawn and written, on both engines."""

import json
from typing import Any

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from orders_svc.rules.tracing import parse_tracing
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, put, request
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.orders_svc.traced import FIELD, FIELD_EYE, read_field
from tests.serving import Served

OTHER_FORMAT = (
    "Line 2: TRCFMT must have format 1, not 4 (packed binary); export the tracing as ASCII."
)
LONE_EYE = "DBL=18\r\nTRCFMT=1;4;E;L;F\r\nR=2500;2000;2500;2000\r\n"


@pytest.mark.parametrize("mode", ["draft", "submit"])
@pytest.mark.parametrize(
    ("tracing", "message"),
    [
        ("", "Line 1: The tracing is empty."),
        (" \r\n", "Line 1: The tracing is empty."),
        ("DBL=18\r\nTRCFMT=4;4;E;R;F\r\nR=1;2\r\n", OTHER_FORMAT),
        ("R=2500\n", "Line 1: R precedes its header."),
        ("TRCFMT=1;4;E;R;F\rR=2500;400;2500;2500\r", None),
        ("hello", None),
        ("TRCFMT\0", "Line 1: There is no trace: no TRCFMT with format 1."),
        ("DBL=1\x008\n", "Line 1: This is not text; export the tracing as ASCII (format 1)."),
    ],
)
def test_what_cannot_be_cut_from_is_refused(
    orders: Served, order: Body, mode: str, tracing: str, message: str | None
) -> None:
    before = orders.rows()
    put(order, "frame.tracing", tracing)
    failure = orders.refusal("CreateOrder", request(order, mode=mode))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    (fault,) = failure.faults
    assert fault.path == "frame.tracing"
    assert fault.message.startswith("Line ")
    assert message in (None, fault.message)
    assert orders.rows() == before


def test_it_is_refused_with_everything_else(orders: Served, order: Body) -> None:
    put(order, "frame.tracing", "hello")
    put(order, "rx.left_eye.pd", 60)
    put(order, "services", ["Tea"])
    failure = orders.refusal("CreateOrder", request(order))
    paths = {fault.path for fault in failure.faults}
    assert paths == {"frame.tracing", "rx.left_eye.pd", "services.0"}


@pytest.mark.parametrize("tracing", ["x" * (256 * 1024 + 1), "TRCFMT\0"])
def test_what_is_no_text_of_its_size_is_named_once(
    orders: Served, order: Body, tracing: str
) -> None:
    put(order, "frame.tracing", tracing)
    failure = orders.refusal("CreateOrder", request(order))
    assert [fault.path for fault in failure.faults] == ["frame.tracing"]


def test_one_eye_is_measured_and_warned_of(orders: Served, order: Body) -> None:
    put(order, "frame.tracing", LONE_EYE)
    created = orders.call("CreateOrder", request(order))
    seen = fetch_order(orders, created.id)
    assert created.warnings == seen.warnings
    lacks = pb.Warning(
        param="rx.right_eye", message="The tracing lacks this eye.", code="tracing_lacks_eye"
    )
    assert lacks in seen.warnings
    measured = pb.TracedEye(a=50.0, b=40.0, lens_ed=50.0, circumference=128.06)
    assert seen.traced == pb.Traced(left_eye=measured)


def test_an_order_without_a_tracing_has_no_measures(orders: Served, frame_order: Body) -> None:
    assert not fetch_order(orders, create_order(orders, frame_order)).HasField("traced")


@pytest.mark.parametrize("traced", [True, False])
def test_the_lenses_are_drawn(orders: Served, order: Body, traced: bool) -> None:
    if not traced:
        put(order, "frame.tracing")
    asked = pb.GetOrderOutlineRequest(order_id=create_order(orders, order))
    svg = orders.call("GetOrderOutline", asked).svg
    assert svg.startswith("<svg ")
    assert ("<path" in svg) is traced
    assert "Ada" not in svg


def test_the_job_is_read_back(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    oma = orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=order_id)).oma
    read = parse_tracing(oma)
    assert read.traces == parse_tracing(order["frame"]["tracing"]).traces
    records = {record.label: record.fields for record in read.records}
    wanted: dict[str, Any] = {
        "JOB": (order_id,),
        "SPH": ("-2.25", "-2.00"),
        "CYL": ("-0.75", "0.00"),
        "AX": ("180", "?"),
        "ADD": ("2.00", "2.00"),
        "IPD": ("31.50", "31.00"),
        "SEGHT": ("18.00", "18.00"),
        "PRVM": ("1.12", "0.00"),
        "LNAM": ("Progressive Polycarbonate", "Progressive Polycarbonate"),
        "FRAM": ("A100",),
    }
    assert {label: records[label] for label in wanted} == wanted
    assert records["CLIENTF"] == ("Ada",)
    assert records["COLR"] == ("Crystal Gray", "Crystal Gray")
    assert records["ACOAT"] == ("Anti-Reflective Coating, Hard Coat",) * 2
    assert records["LTYPE"] == ("?", "?")


def test_the_job_of_a_single_vision_lens_says_so(orders: Served, order: Body) -> None:
    order["lens"] |= {"style": "style_123", "material": "material_123"}
    oma = fetch_job(orders, create_order(orders, order))
    assert "\r\nLTYPE=SV;SV\r\nLMATNAME=Polycarbonate;Polycarbonate\r\n" in oma


@pytest.mark.parametrize("kept", ["frame", "draft"])
def test_an_order_without_lenses_has_a_job_too(
    orders: Served, order: Body, frame_order: Body, kept: str
) -> None:
    if kept == "draft":
        put(order, "lens")
    sent = {"frame": frame_order, "draft": {**order, "mode": "draft"}}[kept]
    order_id = create_order(orders, sent)
    oma = orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=order_id)).oma
    assert f"JOB={order_id}\r\n" in oma
    assert "LNAM" not in oma


def test_names_that_the_lab_has_no_more_are_ids(orders: Served, order: Body) -> None:
    order_id = create_order(orders, order)
    with orders.database.write() as tx:
        tx.exec_driver_sql("UPDATE orders SET lab_id = 'lab_456', account_number = '7654321'")
    oma = orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=order_id)).oma
    assert "LNAM=style_789 material_123;style_789 material_123\r\n" in oma


def test_control_characters_are_named_once(orders: Served, order: Body) -> None:
    put(order, "frame.tracing", "TRCFMT=1\x01")
    failure = orders.refusal("CreateOrder", request(order))
    assert len(failure.faults) == 1
    assert failure.faults[0] != Fault("frame.tracing", "Control characters are not allowed.")


def fetch_job(orders: Served, order_id: str) -> str:
    """The job text of an order."""
    oma: str = orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=order_id)).oma
    return oma


@pytest.mark.parametrize(
    ("name", "end", "remark"),
    [
        ("unknown-dataset", "", None),
        ("vendor-records", "", None),
        ("uneven-closed", "", None),
        ("odd-byte", "", "Line 1: This line has characters that are not text; it was ignored."),
        ("form-feed", "", "Line 27: Control characters around the text were ignored."),
        ("vendor-records", "\0" * 64, "Line 33: Control characters around the text were ignored."),
        ("vendor-records", "\x1a", "Line 33: Control characters around the text were ignored."),
        ("left-not-mirrored", "", "The left trace differs from the mirrored right one by 1.38 mm"),
    ],
)
def test_a_file_from_the_field_is_accepted(
    orders: Served, order: Body, name: str, end: str, remark: str | None
) -> None:
    text = read_field(name) + end
    order["frame"] |= {"a": 50.2, "b": 35.4, "lens_ed": 52, "bridge": 17, "tracing": text}
    created = orders.call("CreateOrder", request(order))
    found = fetch_order(orders, created.id)
    assert found.frame.tracing == text
    eye = pb.TracedEye(**FIELD_EYE)
    assert found.traced == pb.Traced(left_eye=eye, right_eye=eye)
    assert [each.param for each in created.warnings] == ["frame.tracing"] * bool(remark)
    assert all(each.message.startswith(remark or "") for each in created.warnings)
    job = fetch_job(orders, created.id)
    assert parse_tracing(job).traces == parse_tracing(text).traces
    assert "\r\n_" not in job
    assert ("\r\nFTYP=2\r\n" in job) is (name in ("unknown-dataset", "vendor-records"))


def test_a_file_that_is_cut_short_is_refused(orders: Served, order: Body) -> None:
    put(order, "frame.tracing", read_field("cut-short"))
    (fault,) = orders.refusal("CreateOrder", request(order)).faults
    text = "Line 16: TRCFMT announces 120 values of R, but 96 follow."
    assert fault == Fault("frame.tracing", text)


@pytest.mark.parametrize("mirrored", [False, True])
def test_one_lens_is_never_traced_beside_one_that_is_typed(orders: Served, mirrored: bool) -> None:
    order: Body = json.loads((FIELD / "order-one-eye-traced.json").read_text())
    if mirrored:
        put(order, "frame.mirror_tracing", mirrored)
    created = orders.call("CreateOrder", request(order))
    job = parse_tracing(fetch_job(orders, created.id))
    figures = {"HBOX": 50.2, "VBOX": 35.4, "FED": 51.84, "CIRC": 139.84}
    assert {label: job.find_number(label, "R") for label in figures} == figures
    left = {label: job.find_number(label, "L") for label in figures}
    assert left == (figures if mirrored else dict.fromkeys(figures))
    missing = pb.Warning(
        param="rx.left_eye", message="The tracing lacks this eye.", code="tracing_lacks_eye"
    )
    assert (missing in created.warnings) is not mirrored
    stands = "There is no trace of the left side: the right one, mirrored, stands for it."
    told = pb.Warning(param="frame.tracing", message=stands, code="tracing_remark")
    assert (told in created.warnings) is mirrored
    found = fetch_order(orders, created.id)
    assert found.traced.HasField("left_eye") is mirrored
    assert found.frame.mirror_tracing is mirrored
    asked = pb.GetOrderOutlineRequest(order_id=created.id)
    assert orders.call("GetOrderOutline", asked).svg.count("<path") == 1 + mirrored
