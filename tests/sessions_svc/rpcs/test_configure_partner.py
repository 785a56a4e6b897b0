"""ConfigurePartner: validated as the reference file, effective within a second, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode

from chassis.errors import Fault
from chassis.store.reference_cache import MAX_AGE_SECONDS
from protos import sessions_pb2 as pb
from sessions_svc import reference
from sessions_svc.reference import REFERENCE
from sessions_svc.store import tables
from sessions_svc.store.partners import find_partner_id
from tests.serving import Served
from tests.sessions_svc.bodies import Values, build_contacts, build_glasses, check, create
from tests.sessions_svc.desk import configure, create_partner

SECRET = "whsec_" + "A" * 32
LIMITS = {
    "min_age": 5,
    "max_age": 80,
    "min_sphere": -20.0,
    "max_sphere": 0.0,
    "max_cylinder": 0.0,
    "max_add": 0.0,
    "regions": ["CA-ON", "IL"],
}
ACCOUNT = {
    "provider": "stripe",
    "secret_key": "sk_test_12345678",
    "callback_secrets": ["whsec_12345678"],
}
LINKS = {
    "redirect_url": "https://partner.example/back?a=1",
    "link_host": "eyes.partner.example:8443",
    "language": "fr",
}
PRICES = {"currency": "USD", "glasses": 3500, "contacts": 0, "acuity_service": 1500}
WHOLE: Values = {
    "limits": LIMITS,
    "stores": [{"id": "s1", "name": "Main Street"}, {"id": "s2", "enabled": False}],
    **LINKS,
    "prescription_pdf": True,
    "prices": PRICES,
    "products": ["p1", "p2"],
    "endpoint": {
        "url": "https://partner.example/events",
        "headers": {"X-Partner": "p", "Authorization": "Bearer abc"},
        "secret": SECRET,
        "events": ["session_completed"],
    },
}


def read_configuration(served: Served, partner: str) -> Values:
    """Return the stored configuration of a partner."""
    with served.database.read() as tx:
        account_id = find_partner_id(tx, partner)
        of = {
            table.name: [
                tuple(row)[1:]
                for row in tx.execute(table.select().where(table.c.account_id == account_id))
            ]
            for table in (tables.partners, tables.stores, tables.products)
        }
        endpoints = tables.outbox.endpoints.all(tx)
    found = [tuple(row)[1:] for row in endpoints if row.owner == partner]
    return {**{name: sorted(rows, key=repr) for name, rows in of.items()}, "endpoints": found}


def check_qualification(served: Served, authorization: str, **fields: Any) -> list[str]:
    """Return why a person does not qualify with a partner."""
    request = check(**fields)
    answer = served.call("CheckQualification", request, "", authorization=authorization)
    return list(answer.disqualifications)


def test_it_works(sessions: Served, unique: str) -> None:
    authorization = create_partner(sessions, unique)
    assert configure(sessions, unique, **WHOLE).endpoint_secret == SECRET
    assert read_configuration(sessions, unique) == {
        "partners": [({**LIMITS, "regions": ["CA-ON", "US-IL"]}, *LINKS.values(), True, PRICES)],
        "stores": [("s1", True, "Main Street"), ("s2", False, None)],
        "products": [("p1",), ("p2",)],
        "endpoints": [
            (
                "https://partner.example/events",
                {"X-Partner": "p", "Authorization": "Bearer abc"},
                SECRET,
                " session_completed ",
                None,
                None,
            )
        ],
    }
    young = {"birthdate": "2016-01-01", "region": "CA-ON"}
    strong = [build_contacts(right_eye={"product_key": "p2", "sphere": -13.0}, left_eye=None)]
    assert check_qualification(sessions, authorization, user=young, prescriptions=strong) == []
    strong = [build_glasses(right_eye={"sphere": 0.25})]
    assert check_qualification(sessions, authorization, user=young, prescriptions=strong) == [
        "prescription"
    ]


def test_a_file_and_an_rpc_store_the_same_configuration(sessions: Served, unique: str) -> None:
    by_file, by_rpc = f"f-{unique}", f"r-{unique}"
    create_partner(sessions, by_rpc, **WHOLE)
    account = {"name": by_file, "secret": f"{by_file}-secret"}
    loaded = REFERENCE.load({"accounts": [account], "partners": [{"account": by_file, **WHOLE}]})
    with sessions.database.write() as tx:
        reference.load(tx, loaded)
    assert read_configuration(sessions, by_file) == read_configuration(sessions, by_rpc)


def test_absent_configuration_is_removed(sessions: Served, unique: str) -> None:
    create_partner(sessions, unique, **WHOLE)
    assert configure(sessions, unique).endpoint_secret == ""
    assert read_configuration(sessions, unique) == {
        "partners": [({}, None, None, None, False, None)],
        "stores": [],
        "products": [],
        "endpoints": [],
    }


def test_an_endpoint_without_a_secret_gets_one_that_stays(sessions: Served, unique: str) -> None:
    create_partner(sessions, unique)
    first = configure(sessions, unique, endpoint={"url": "https://a.example/"}).endpoint_secret
    assert first.startswith("whsec_")
    again = configure(sessions, unique, endpoint={"url": "https://b.example/"}).endpoint_secret
    assert again == first


def test_a_change_takes_effect_within_a_second(sessions: Served, unique: str) -> None:
    authorization = create_partner(sessions, unique, products=["p1"], stores=[{"id": "s1"}])
    lens = [build_contacts(right_eye={"product_key": "p1", "sphere": -1.0}, left_eye=None)]

    def create_refused_session() -> Any:
        request = create(session_key="k", store_id="s1", prescriptions=lens)
        metadata = {"authorization": authorization}
        return sessions.refusal("CreateSession", request, "", **metadata)

    assert check_qualification(sessions, authorization, prescriptions=lens) == []
    configure(sessions, unique)
    end = monotonic() + MAX_AGE_SECONDS + 1
    while check_qualification(sessions, authorization, prescriptions=lens) == []:
        assert monotonic() < end
        sleep(0.05)
    assert check_qualification(sessions, authorization, prescriptions=lens) == [
        "unknown_product_key"
    ]
    assert create_refused_session().faults == (
        Fault("store_id", "Must be an enabled store of this partner."),
    )


def test_concurrent_configurations_are_stored_as_a_whole(sessions: Served, unique: str) -> None:
    create_partner(sessions, unique)
    ways = [{"products": [f"{way}{n}" for n in range(20)]} for way in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda way: configure(sessions, unique, **way), ways))
    products = [key for (key,) in read_configuration(sessions, unique)["products"]]
    assert sorted(products) in [sorted(way["products"]) for way in ways]


@pytest.mark.parametrize("name", ["nobody", "demo-staff"])
def test_only_a_partner_is_configured(sessions: Served, name: str) -> None:
    before = sessions.rows()
    request = pb.ConfigurePartnerRequest(partner=name)
    failure = sessions.refusal("ConfigurePartner", request, "staff", desk=True)
    assert (failure.code, failure.message) == (
        StatusCode.NOT_FOUND,
        "There is no such partner.",
    )
    assert sessions.rows() == before


@pytest.mark.parametrize(
    ("configuration", "path"),
    [
        ({"partner": ""}, "partner"),
        ({"partner": "a\0"}, "partner"),
        ({"limits": {"min_age": 60}}, "limits.min_age"),
        ({"limits": {"max_age": 151}}, "limits.max_age"),
        ({"limits": {"max_sphere": -13.0}}, "limits.min_sphere"),
        ({"limits": {"max_sphere": "NaN"}}, "limits.max_sphere"),
        ({"limits": {"max_cylinder": -1.0}}, "limits.max_cylinder"),
        ({"limits": {"regions": ["IL", "Illinois"]}}, "limits.regions.1"),
        ({"stores": [{}]}, "stores.0.id"),
        ({"stores": [{"id": "s", "name": " "}]}, "stores.0.name"),
        ({"stores": [{"id": "s", "name": "x" * 101}]}, "stores.0.name"),
        ({"redirect_url": "http://partner.example/"}, "redirect_url"),
        ({"redirect_url": "javascript:alert(1)"}, "redirect_url"),
        ({"link_host": "https://eyes.partner.example"}, "link_host"),
        ({"link_host": "eyes.partner.example/a"}, "link_host"),
        ({"link_host": "Eyes.partner.example"}, "link_host"),
        ({"link_host": "a@b.example"}, "link_host"),
        ({"link_host": "a.example:0"}, "link_host"),
        ({"link_host": "a.example:65536"}, "link_host"),
        ({"link_host": "a.example:"}, "link_host"),
        ({"link_host": "-a.example"}, "link_host"),
        ({"link_host": "a..example"}, "link_host"),
        ({"link_host": "é.example"}, "link_host"),
        ({"link_host": "a" * 64 + ".example"}, "link_host"),
        ({"language": "nl"}, "language"),
        ({"prices": {"glasses": 1}}, "prices.currency"),
        ({"prices": {"currency": "usd"}}, "prices.currency"),
        ({"prices": {"currency": "USD", "glasses": -1}}, "prices.glasses"),
        ({"prices": {"currency": "USD", "contacts": 100_000_000}}, "prices.contacts"),
        ({"payment_account": {"provider": "x"}}, "payment_account.provider"),
        (
            {"payment_account": {**ACCOUNT, "api_url": "http://api.example"}},
            "payment_account.api_url",
        ),
        (
            {"payment_account": {**ACCOUNT, "callback_secrets": []}},
            "payment_account.callback_secrets",
        ),
        ({"language": "FR"}, "language"),
        ({"stores": [{"id": "s"}, {"id": "s"}]}, "stores"),
        ({"products": ["p", "p"]}, "products"),
        ({"products": ["p", ""]}, "products.1"),
        ({"endpoint": {}}, "endpoint.url"),
        ({"endpoint": {"url": "ftp://a.example/"}}, "endpoint.url"),
        (
            {"endpoint": {"url": "https://a.example/", "headers": {"Host": "b"}}},
            "endpoint.headers",
        ),
        (
            {"endpoint": {"url": "https://a.example/", "headers": {"X": "a\r\nY: b"}}},
            "endpoint.headers.X.value",
        ),
        ({"endpoint": {"url": "https://a.example/", "secret": "abc"}}, "endpoint.secret"),
        ({"endpoint": {"url": "https://a.example/", "events": ["created"]}}, "endpoint.events"),
    ],
)
def test_faults_are_named(sessions: Served, configuration: dict[str, Any], path: str) -> None:
    before = sessions.rows()
    request = ParseDict({"partner": "demo-partner", **configuration}, pb.ConfigurePartnerRequest())
    failure = sessions.refusal("ConfigurePartner", request, "staff", desk=True)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults[0].path == path
    assert sessions.rows() == before


def test_a_partner_may_not_configure_itself(sessions: Served) -> None:
    request = pb.ConfigurePartnerRequest(partner="demo-partner", products=["mine"])
    failure = sessions.refusal("ConfigurePartner", request, "client", desk=True)
    assert failure.code is StatusCode.PERMISSION_DENIED
