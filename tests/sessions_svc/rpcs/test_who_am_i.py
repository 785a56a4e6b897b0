"""WhoAmI, called directly over gRPC on both engines."""

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from tests.serving import Served, build_basic
from tests.sessions_svc.desk import (
    create_partner,
)


def test_it_works(sessions: Served) -> None:
    before = sessions.rows()
    assert sessions.call("WhoAmI", pb.WhoAmIRequest()) == pb.WhoAmIResponse(
        partner="demo-partner", stores=["store_1234"], products=["example1", "example2"]
    )
    assert sessions.rows() == before


def test_stores_and_products_are_sorted_and_disabled_stores_omitted(
    sessions: Served, unique: str
) -> None:
    stores = [{"id": each} for each in ("b", "a", "B", "é")] + [{"id": "c", "enabled": False}]
    authorization = create_partner(
        sessions, unique, stores=stores, products=["p2", "P1", "p1", "p10"]
    )
    answer = sessions.call("WhoAmI", pb.WhoAmIRequest(), "", authorization=authorization)
    assert answer == pb.WhoAmIResponse(
        partner=unique, stores=["B", "a", "b", "é"], products=["P1", "p1", "p10", "p2"]
    )


def test_a_partner_without_a_configuration_has_neither(sessions: Served, unique: str) -> None:
    authorization = create_partner(sessions, unique)
    answer = sessions.call("WhoAmI", pb.WhoAmIRequest(), "", authorization=authorization)
    assert answer == pb.WhoAmIResponse(partner=unique)


@pytest.mark.parametrize(
    ("who", "authorization", "code"),
    [
        ("", None, StatusCode.UNAUTHENTICATED),
        ("client", build_basic("demo-partner", "wrong"), StatusCode.UNAUTHENTICATED),
        ("staff", None, StatusCode.PERMISSION_DENIED),
    ],
)
def test_only_a_partner_may_ask(
    sessions: Served, who: str, authorization: str | None, code: StatusCode
) -> None:
    metadata = {"authorization": authorization} if authorization else {}
    failure = sessions.refusal("WhoAmI", pb.WhoAmIRequest(), who, **metadata)
    assert failure.code is code
