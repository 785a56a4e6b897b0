"""Job text: what lab software reads of an order, and what an order cannot make it read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_svc.documents.job import LensNames, write_job
from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.bodies import REDO_DATA, Body, example
from tests.orders_svc.traced import ONE, read_field

LENS = LensNames("Progressive", "Polycarbonate", "Crystal Gray", ("Premium AR", "Hard Coat"))
HEAD = """\
JOB=ord_1
ACCN=1234567
CLIENT=Example
CLIENTF=Ada
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
LTYPE=?;?
LMATNAME=Polycarbonate;Polycarbonate
COLR=Crystal Gray;Crystal Gray
TINT=Gray 20% solid;Gray 20% solid
ACOAT=Premium AR, Hard Coat;Premium AR, Hard Coat
FMFR=Acme
FRAM=A100
FCOL=Black
FMAT=zyl
EYESIZ=50.00
BRGSIZ=18.00
PANTO=8.00;8.00
BVD=13.00;13.00
DBL=18.00
HBOX=50.00;50.00
VBOX=34.00;34.00
FED=50.00;50.00
"""
REST = (
    "REM=Rush / Mounting: Edged & Mount / Frame: Frame to Come / Frame SKU: A100-BLK-50 / "
    "Temple: 140 mm / Wrap: 5 degrees / Services: Roll & Polish Edges / "
    "Ship to: Ada Example, 1 Main St, Reno, NV, 89501\n"
)
LENS_LABELS = {"LNAM", "LTYPE", "LMATNAME", "COLR", "TINT", "ACOAT"}


def records(text: str) -> dict[str, str]:
    """The records of a text by label; each may occur once."""
    found: dict[str, str] = {}
    for line in text.removesuffix("\r\n").split("\r\n"):
        label, _, value = line.partition("=")
        assert label not in found
        found[label] = value
    return found


def job(order: Body, tracing: str | None = None, lens: LensNames | None = LENS) -> str:
    """The job of an order."""
    mirror = order["frame"].get("mirror_tracing", False)
    found = parse_tracing(tracing, mirror=mirror) if tracing else None
    return write_job("ord_1", order, lens, found)


def test_it_works(order: Body) -> None:
    text = job(order, order["frame"]["tracing"])
    head = f"{HEAD}CIRC=138.43;138.43\n{REST}TRCFMT=1;400;E;R;F\n"
    assert text.startswith(head.replace("\n", "\r\n"))
    found, sent = parse_tracing(text), parse_tracing(order["frame"]["tracing"])
    assert found.traces == sent.traces
    assert found.remarks == ()
    assert (found.find_number("SPH", "R"), found.find_number("SPH", "L")) == (-2.25, -2)
    assert (found.find_number("AX", "R"), found.find_number("AX", "L")) == (180, None)


def test_without_a_tracing_the_frame_is_the_box(order: Body) -> None:
    found = records(job(order))
    assert "".join(f"{k}={v}\n" for k, v in found.items()) == HEAD + REST
    for name in ("a", "b", "lens_ed", "vertex", "pantoscopic_tilt"):
        del order["frame"][name]
    bare = records(job(order, lens=None))
    assert set(found) - set(bare) == LENS_LABELS | {"PANTO", "BVD", "VBOX", "FED"}
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
    found = records(job(frame_order, lens=None))
    assert set(found) == {
        *("JOB", "ACCN", "CLIENT", "CLIENTF", "FMFR", "FRAM", "FCOL", "FMAT", "EYESIZ", "BRGSIZ"),
        *("DBL", "HBOX", "REM"),
    }
    assert found["REM"] == "Order type: frame / Frame: Frame to Come"


BOXES = ("HBOX", "VBOX", "FED", "CIRC")


def test_beside_a_trace_the_other_side_is_unknown(order: Body) -> None:
    order["frame"] |= {"a": 46.0, "b": 32.0, "lens_ed": 47.0}
    for side, one in (("R", ONE), ("L", ONE.replace(";R;F", ";L;F"))):
        text = job(order, one)
        found, other = parse_tracing(text), {"R": "L", "L": "R"}[side]
        assert found.traces == parse_tracing(one).traces
        trace = found.traces[side]
        measured = [trace.a, trace.b, trace.ed, trace.circumference]
        assert [found.find_number(label, side) for label in BOXES] == measured
        assert [found.find_number(label, other) for label in BOXES] == [None] * 4
        assert "46.00" not in text


def test_a_mirrored_trace_is_the_source_of_both_sides(order: Body) -> None:
    order["frame"]["mirror_tracing"] = True
    found = parse_tracing(job(order, ONE))
    assert found.traces["L"] == found.traces["R"].mirror()
    for label in BOXES:
        assert found.find_number(label, "L") == found.find_number(label, "R") is not None


def test_eighths_of_a_dioptre_are_kept(order: Body) -> None:
    order["rx"]["right_eye"] |= {"sphere": -0.125, "cylinder": 0.375}
    order["rx"]["left_eye"]["sphere"] = -0.0
    found = records(job(order))
    assert (found["SPH"], found["CYL"]) == ("-0.125;0.00", "0.375;0.00")


def test_what_is_left_of_an_eighth_is_written_as_the_eighth(order: Body) -> None:
    order["rx"]["right_eye"] |= {"sphere": -1.12, "cylinder": 0.38, "add": 1.87}
    order["rx"]["left_eye"] |= {"sphere": -1.13, "cylinder": -1.1, "add": 2.63}
    found = records(job(order))
    assert (found["SPH"], found["CYL"]) == ("-1.125;-1.125", "0.375;-1.10")
    assert found["ADD"] == "1.875;2.625"


def test_a_base_that_rounds_to_360_is_0(order: Body) -> None:
    order["rx"]["right_eye"] |= {
        "horizontal_prism": {"power": 50, "direction": "in"},
        "vertical_prism": {"power": 0.03, "direction": "down"},
    }
    assert records(job(order))["PRVA"].split(";")[0] == "0"


def test_of_a_tracing_only_what_describes_the_frame_goes_along(order: Body) -> None:
    sent = "SPH=9;9\nLNAM=x;x\nJOB=other\nREQ=x\nSTATUS=0\nETYP=1\n_MAKER=a;b\nPATIENT=x\n" + ONE
    sent += "ETYP=2\nDRILLE=R;C;1\nDRILLE=R;C;2\nSTHKFMT=1;3;E;R\nR=1;2;3\nFTYP=2\n"
    added = job(order, sent).split("\r\n")
    plain = job(order, ONE).split("\r\n")
    more = ["ETYP=1", "DRILLE=R;C;1", "DRILLE=R;C;2", "FTYP=2"]
    assert [line for line in added if line not in plain] == more


def test_no_record_of_another_system_reaches_the_lab(order: Body) -> None:
    text = job(order, read_field("vendor-records"))
    found = records(text.partition("TRCFMT=")[0])
    assert not any(label.startswith("_") for label in found)
    assert (found["JOB"], found["FTYP"], found["CLIENTF"]) == ("ord_1", "2", "Ada")
    for foreign in ("10042", "A-17", "House lens", "RUSH", "CUSTNO", "FIRSTNAME"):
        assert foreign not in text


ORDER_LABELS = [
    *("ACCN", "CLIENT", "CLIENTF", "CLIENTL", "PATIENT", "INVOICE", "RUSH", "REM", "REDO", "PRICE"),
    *("SPH", "CYL", "AX", "ADD", "IPD", "LNAM", "COLR", "TINT", "ACOAT", "FMFR", "FRAM", "FCOL"),
    *("EYESIZ", "BRGSIZ", "BVD", "PANTO", "_CUSTNO", "_FIRSTNAME", "_X", "SHIPTO", "DO", "JOB"),
]


@given(st.lists(st.sampled_from(ORDER_LABELS)))
def test_what_the_order_says_never_comes_from_its_tracing(labels: list[str]) -> None:
    order = example()
    lines = "".join(f"{label}=7777;7777\n" for label in labels)
    assert job(order, lines + ONE + lines) == job(order, ONE)


def test_a_single_vision_lens_without_tint_and_coats(order: Body) -> None:
    del order["lens"]["tint"], order["lens"]["tint_instruction"]
    lens = LensNames("Single Vision", "CR-39", "Clear", (), "single_vision")
    found = records(job(order, lens=lens))
    assert {label: found[label] for label in LENS_LABELS & set(found)} == {
        "LNAM": "Single Vision CR-39;Single Vision CR-39",
        "LTYPE": "SV;SV",
        "LMATNAME": "CR-39;CR-39",
        "COLR": "Clear;Clear",
    }


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"redo_data": REDO_DATA}, "Redo of INV-9: Remake, scratched"),
        ({"multi_pair_data": {"reference": "TRAY-77"}}, "Further pair to TRAY-77"),
        (
            {"shipping": {"address": {"line1": "1 Main St", "line2": "Unit 2", "city": "Reno"}}},
            "Ship to: 1 Main St, Unit 2, Reno",
        ),
        ({"services": ["Roll", "Polish"]}, "Services: Roll, Polish"),
        ({"special_instructions": "Thin;\nplease"}, "Thin, please / Mounting: Edged & Mount"),
    ],
)
def test_what_has_no_label_is_in_the_remark(order: Body, block: Body, words: str) -> None:
    assert words in records(job(order | block))["REM"]


def test_a_balance_lens_has_no_power(order: Body) -> None:
    order["rx"]["left_eye"] = {"balance": True}
    found = records(job(order))
    assert (found["DO"], found["SPH"], found["CYL"]) == ("B", "-2.25;?", "-0.75;?")
    assert (found["PRVM"], found["PRVA"]) == ("1.12;?", "26.6;?")
    assert " / Balance lens: left / " in found["REM"]


def test_a_name_is_one_field_of_plain_letters(order: Body) -> None:
    order["frame"] |= {"manufacturer": "Ørgreen Café;SPH=9", "model": '\N{EYEGLASSES}  "1" '}
    order["patient"] |= {"first_name": "Łukasz", "last_name": "Đặng\N{EM DASH}Ægir"}
    order["frame"]["color"] = "\N{COMBINING ACUTE ACCENT}"
    found = records(job(order, lens=LENS._replace(style="Über  lens")))
    assert found["FMFR"] == "Orgreen Cafe,SPH=9"
    assert found["FRAM"] == '? "1"'
    assert found["FCOL"] == "?"
    assert found["LNAM"] == "Uber lens Polycarbonate;Uber lens Polycarbonate"
    assert (found["CLIENT"], found["CLIENTF"]) == ("Dang-Aegir", "Lukasz")


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.text(min_size=1))
def test_no_text_adds_a_record_or_a_field(maker: str, note: str, lens: str, id_: str) -> None:
    order: dict[str, Any] = example()
    order["frame"] |= {"manufacturer": maker, "model": note}
    order["patient"] |= {"first_name": maker, "last_name": note}
    order["special_instructions"] = note
    text = write_job(id_, order, LensNames(lens, maker, note, (lens, note)))
    assert text.isascii()
    assert set(records(text)) == set(records(job(example())))
    for label in ("JOB", "FMFR", "FRAM", "CLIENT", "CLIENTF", "REM"):
        assert ";" not in records(text)[label]
        assert records(text)[label]
    for label in LENS_LABELS:
        assert records(text)[label].count(";") == 1
    assert all(each >= " " for each in text.replace("\r\n", ""))
