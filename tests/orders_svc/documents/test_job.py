"""Job text: what lab software reads of an order, and what an order cannot make it read."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orders_svc.documents.job import write_job
from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.bodies import Body, example
from tests.orders_svc.traced import ONE

HEAD = """\
JOB=ord_1
DO=B
SPH=-2.25;-2.00
CYL=-0.75;0.00
AX=180;?
ADD=2.00;2.00
IPD=31.50;31.00
NPD=30.00;29.50
SEGHT=18.00;18.00
PRVM=1.12;0.00
PRVA=26.6;?
LNAM=Progressive Polycarbonate;Progressive Polycarbonate
FMFR=Acme
FRAM=A100
EYESIZ=50.00
BRGSIZ=18.00
PANTO=8.00;8.00
BVD=13.00;13.00
DBL=18.00
HBOX=50.00;50.00
VBOX=34.00;34.00
FED=50.00;50.00
"""


def records(text: str) -> dict[str, str]:
    """The records of a text by label; each may occur once."""
    found: dict[str, str] = {}
    for line in text.removesuffix("\r\n").split("\r\n"):
        label, _, value = line.partition("=")
        assert label not in found
        found[label] = value
    return found


def job(order: Body, tracing: str | None = None, name: str = "Progressive") -> str:
    """The job of an order."""
    return write_job("ord_1", order, name, parse_tracing(tracing) if tracing else None)


def test_it_works(order: Body) -> None:
    text = job(order, order["frame"]["tracing"], "Progressive Polycarbonate")
    assert text.startswith((HEAD + "CIRC=138.43;138.43\nTRCFMT=1;20;E;R;F\n").replace("\n", "\r\n"))
    found, sent = parse_tracing(text), parse_tracing(order["frame"]["tracing"])
    assert found.traces == sent.traces
    assert found.remarks == ()
    assert (found.find_number("SPH", "R"), found.find_number("SPH", "L")) == (-2.25, -2)
    assert (found.find_number("AX", "R"), found.find_number("AX", "L")) == (180, None)


def test_without_a_tracing_the_frame_is_the_box(order: Body) -> None:
    found = records(job(order))
    assert "\r\n".join(f"{k}={v}" for k, v in found.items()) + "\r\n" == (
        HEAD.replace("Progressive Polycarbonate", "Progressive").replace("\n", "\r\n")
    )
    for name in ("a", "b", "lens_ed", "vertex", "pantoscopic_tilt"):
        del order["frame"][name]
    bare = records(job(order, name=""))
    assert set(found) - set(bare) == {"LNAM", "PANTO", "BVD", "VBOX", "FED"}
    assert bare["HBOX"] == "50.00;50.00"


def test_one_eye_leaves_the_other_unknown(order: Body) -> None:
    del order["rx"]["right_eye"]
    found = records(job(order))
    assert {name: found[name] for name in ("DO", "SPH", "CYL", "AX", "ADD")} == {
        "DO": "L",
        "SPH": "?;-2.00",
        "CYL": "?;0.00",
        "AX": "?;?",
        "ADD": "?;2.00",
    }
    assert "PRVM" not in found


def test_an_order_of_a_frame_has_no_prescription(frame_order: Body) -> None:
    assert set(records(job(frame_order, name=""))) == {
        *("JOB", "FMFR", "FRAM", "EYESIZ", "BRGSIZ", "DBL", "HBOX"),
    }


def test_a_trace_of_one_side_is_measured_and_the_frame_is_the_other(order: Body) -> None:
    order["frame"] |= {"a": 51.0, "b": 35.0}
    text = job(order, ONE)
    found = parse_tracing(text)
    assert (found.find_number("HBOX", "R"), found.find_number("HBOX", "L")) == (50, 51)
    assert found.traces == parse_tracing(ONE).traces
    around = found.traces["R"].circumference
    assert (found.find_number("CIRC", "R"), found.find_number("CIRC", "L")) == (around, None)


def test_eighths_of_a_dioptre_are_kept(order: Body) -> None:
    order["rx"]["right_eye"] |= {"sphere": -0.125, "cylinder": 0.375}
    order["rx"]["left_eye"]["sphere"] = -0.0
    found = records(job(order))
    assert (found["SPH"], found["CYL"]) == ("-0.125;0.00", "0.375;0.00")


def test_a_base_that_rounds_to_360_is_0(order: Body) -> None:
    order["rx"]["right_eye"] |= {
        "horizontal_prism": {"power": 50, "direction": "in"},
        "vertical_prism": {"power": 0.03, "direction": "down"},
    }
    assert records(job(order))["PRVA"].split(";")[0] == "0"


def test_of_a_tracing_only_what_describes_the_frame_goes_along(order: Body) -> None:
    sent = "SPH=9;9\nLNAM=x;x\nJOB=other\nREQ=x\nSTATUS=0\nETYP=1\n_MAKER=a;b\nPATIENT=x\n" + ONE
    added = job(order, sent).split("\r\n")
    plain = job(order, ONE).split("\r\n")
    assert [line for line in added if line not in plain] == ["ETYP=1", "_MAKER=a;b"]


def test_a_name_is_one_field_of_plain_letters(order: Body) -> None:
    order["frame"] |= {"manufacturer": "Ørgreen Café;SPH=9", "model": '眼鏡  "1" '}
    found = records(job(order, name="Über  lens"))
    assert found["FMFR"] == "?rgreen Cafe,SPH=9"
    assert found["FRAM"] == '?? "1"'
    assert found["LNAM"] == "Uber lens;Uber lens"


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.text(min_size=1))
def test_no_text_adds_a_record_or_a_field(maker: str, model: str, lens: str, id_: str) -> None:
    order: dict[str, Any] = example()
    order["frame"] |= {"manufacturer": maker, "model": model}
    text = write_job(id_, order, lens)
    plain = write_job("x", example(), "x" if lens.strip() else "")
    assert text.isascii()
    assert set(records(text)) - {"LNAM"} == set(records(plain)) - {"LNAM"}
    for label in ("JOB", "FMFR", "FRAM"):
        assert ";" not in records(text)[label]
    assert all(each >= " " for each in text.replace("\r\n", ""))
