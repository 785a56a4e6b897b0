"""Reference data of the sessions service: valid and invalid files, and loading them."""

from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError

from chassis.validation import flatten
from sessions_svc import reference
from sessions_svc.reference import REFERENCE
from sessions_svc.store.partners import find_partner_id, list_products
from tests.serving import Served, build_basic, load_demo
from tests.sessions_svc.bodies import build_glasses, check, create

DEMO = Path(__file__).parents[2] / "demo"


def load_partner(served: Served, **partner: Any) -> str:
    """Load a partner with its account, and return its authorization."""
    account = {"name": partner["account"], "secret": f"{partner['account']}-secret"}
    with served.database.write() as tx:
        values = REFERENCE.load({"accounts": [account], "partners": [partner]})
        reference.load(tx, values)
    served.refresh_cache()
    return build_basic(account["name"])


def check_qualification(served: Served, authorization: str, **fields: Any) -> list[str]:
    """Return why a person does not qualify with a partner."""
    request = check(**fields)
    answer = served.call("CheckQualification", request, "", authorization=authorization)
    return list(answer.disqualifications)


def list_all_products(served: Served, partner: str) -> list[str]:
    """Return the lens products of a partner."""
    with served.database.read() as tx:
        account_id = find_partner_id(tx, partner)
        assert account_id is not None
        return list_products(tx, account_id)


def test_loading_twice_changes_nothing(sessions: Served) -> None:
    before = sessions.rows()
    url = sessions.database.url.render_as_string(hide_password=False)
    load_demo("sessions", url, DEMO)
    assert sessions.rows() == before


def test_limits_in_a_file_apply_to_its_partner(sessions: Served, unique: str) -> None:
    young = {"birthdate": "2016-01-01", "region": "IL"}
    strong = [build_glasses(right_eye={"sphere": -13.0})]
    limits = {"min_age": 5, "min_sphere": -20, "regions": ["CA-ON", "IL"]}

    authorization = load_partner(sessions, account=unique, limits=limits)
    assert check_qualification(sessions, authorization, user=young, prescriptions=strong) == []
    assert check_qualification(sessions, authorization, user={**young, "region": "CA-ON"}) == []
    assert check_qualification(sessions, authorization, user={**young, "region": "NY"}) == [
        "region"
    ]
    assert check_qualification(
        sessions, authorization, user={**young, "birthdate": "1960-01-01"}
    ) == ["age"]

    load_partner(sessions, account=unique)
    assert check_qualification(sessions, authorization, user=young, prescriptions=strong) == [
        "age",
        "prescription",
    ]


def test_stores_and_products_are_replaced_as_a_whole(sessions: Served, unique: str) -> None:
    stores = [{"id": "a"}, {"id": "b"}]
    authorization = load_partner(sessions, account=unique, stores=stores, products=["one", "two"])
    sessions.call(
        "CreateSession", create(session_key="1", store_id="a"), "", authorization=authorization
    )

    load_partner(sessions, account=unique, stores=[{"id": "a", "enabled": False}], products=["two"])
    for store_id in ("a", "b"):
        request = create(session_key="2", store_id=store_id)
        failure = sessions.refusal("CreateSession", request, "", authorization=authorization)
        assert [fault.path for fault in failure.faults] == ["store_id"]
    assert list_all_products(sessions, unique) == ["two"]
    assert list_all_products(sessions, "demo-partner") == ["example1", "example2"]


def test_an_endpoint_belongs_to_its_partner(sessions: Served, unique: str) -> None:
    url = "https://partner.example/events?for=optigate"
    headers = {"Authorization": "Bearer x"}
    load_partner(sessions, account=unique, endpoint={"url": url, "headers": headers})
    (row,) = [row for row in sessions.rows()["endpoints"] if row[0] == unique]
    assert (row[:3], row[4:]) == ((unique, url, headers), (None, None, None))
    load_partner(sessions, account=unique)
    assert unique not in [row[0] for row in sessions.rows()["endpoints"]]


def test_a_partner_needs_an_account(sessions: Served) -> None:
    with pytest.raises(ValidationError) as caught, sessions.database.write() as tx:
        reference.load(tx, REFERENCE.load({"partners": [{"account": "nobody"}]}))
    assert caught.value.messages == {"partners": {0: {"account": ["Must be an account's name."]}}}


@pytest.mark.parametrize(
    ("partner", "path"),
    [
        ({}, "partners.0.account"),
        ({"account": "a", "colour": "red"}, "partners.0.colour"),
        ({"account": "a", "limits": {"min_age": 60}}, "partners.0.limits.min_age"),
        ({"account": "a", "limits": {"min_age": 18.5}}, "partners.0.limits.min_age"),
        ({"account": "a", "limits": {"max_age": 17}}, "partners.0.limits.min_age"),
        ({"account": "a", "limits": {"max_age": -1}}, "partners.0.limits.max_age"),
        ({"account": "a", "limits": {"max_sphere": -13.0}}, "partners.0.limits.min_sphere"),
        ({"account": "a", "limits": {"max_sphere": float("nan")}}, "partners.0.limits.max_sphere"),
        ({"account": "a", "limits": {"max_cylinder": -5.0}}, "partners.0.limits.max_cylinder"),
        (
            {"account": "a", "limits": {"regions": ["IL", "Illinois"]}},
            "partners.0.limits.regions.1",
        ),
        ({"account": "a", "limits": {"max_axis": 90}}, "partners.0.limits.max_axis"),
        ({"account": "a", "stores": [{"enabled": True}]}, "partners.0.stores.0.id"),
        ({"account": "a", "stores": [{"id": "s"}, {"id": "s"}]}, "partners.0.stores"),
        ({"account": "a", "products": ["p", "p"]}, "partners.0.products"),
        ({"account": "a", "endpoint": {"url": "ftp://x/"}}, "partners.0.endpoint.url"),
        (
            {"account": "a", "endpoint": {"url": "https://x/", "events": ["session_update"]}},
            "partners.0.endpoint.events",
        ),
        ({"account": "a", "products": ["p" * 201]}, "partners.0.products.0"),
    ],
)
def test_faults_of_a_file_are_named(partner: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        REFERENCE.load({"partners": [partner]})
    assert [fault.path for fault in flatten(caught.value.messages_dict)] == [path]


def test_duplicate_partners_are_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        REFERENCE.load({"partners": [{"account": "a"}, {"account": "a"}]})
    assert caught.value.messages == {"partners": ["Must not have duplicate accounts."]}
