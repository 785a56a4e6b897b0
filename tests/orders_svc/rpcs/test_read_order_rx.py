"""ReadOrderRx: the rx block of an order out of somebody else's document."""

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from protos import orders_pb2 as pb
from tests.optics.fhir_documents import document, extension, lens
from tests.serving import Served


def ask(sent: Any) -> pb.ReadOrderRxRequest:
    """A request for a document."""
    text = sent if isinstance(sent, str) else json.dumps(sent)
    return pb.ReadOrderRxRequest(document=text)


def test_it_works(orders: Served) -> None:
    before = orders.rows()
    pd = extension("pd", valueDecimal=31.5)
    sent = document(
        lens(cylinder=-0.75, axis=10, extension=[pd], prism=[{"amount": 1, "base": "up"}]),
        lens(eye="left", color="green"),
    )
    answer = MessageToDict(orders.call("ReadOrderRx", ask(sent)), preserving_proto_field_name=True)
    assert answer == {
        "rx": {
            "right_eye": {
                "sphere": -2.0,
                "cylinder": -0.75,
                "axis": 10,
                "pd": 31.5,
                "vertical_prism": {"power": 1.0, "direction": "up"},
            },
            "left_eye": {"sphere": -2.0},
        },
        "not_carried": [
            {
                "path": "lensSpecification.1.color",
                "message": "The rx of an order has no place for it.",
            }
        ],
    }
    assert orders.rows() == before


def test_a_balance_lens_is_read(orders: Served) -> None:
    sent = document(lens(sphere=None, extension=[extension("balance", valueBoolean=True)]))
    rx = orders.call("ReadOrderRx", ask(sent)).rx
    assert rx == pb.Rx(right_eye=pb.RxEye(balance=True))


@pytest.mark.parametrize(
    ("sent", "path", "message"),
    [
        (
            document(lens(), lens()),
            "lensSpecification.1.eye",
            "The right eye has a lens already; send the one that is meant.",
        ),
        (
            document(lens(eye="both")),
            "lensSpecification.0.eye",
            "Must be one of: right, left.",
        ),
        (
            document(lens(cylinder=-1)),
            "lensSpecification.0.axis",
            "Required with a cylinder.",
        ),
        ("[]", "", "Must be a JSON object without duplicate keys."),
        ('{"a":"\\ud800"}', "", "Must be a JSON object without duplicate keys."),
    ],
)
def test_a_fault_is_named_by_its_path_in_the_document(
    orders: Served, sent: Any, path: str, message: str
) -> None:
    failure = orders.refusal("ReadOrderRx", ask(sent))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [(fault.path, fault.message) for fault in failure.faults] == [(path, message)]
