"""Orders under load differ, and are all orders that a lab takes."""

from flask.testing import FlaskClient

from bench.scenarios.bodies import (
    KEYED_EVERY,
    PLACEHOLDER,
    VARIATIONS,
    list_value_paths,
    load_demo_order,
    vary_demo_order,
    vary_patient,
)
from bench.scenarios.orders import CLIENT


def test_orders_vary_in_patient_lens_user_and_key() -> None:
    variations = vary_demo_order()
    names = [tuple(each.body["patient"].values())[:2] for each in variations]
    assert len(variations) == len(set(names)) == VARIATIONS
    assert len({str(each.body["lens"]) for each in variations}) > 10
    assert {each.user_email for each in variations} == {
        "optician@example.com",
        "second@example.com",
    }
    assert {each.body["lab"] for each in variations} == {"lab_123", "lab_456"}
    assert sum(each.has_key for each in variations) == VARIATIONS // KEYED_EVERY


def test_each_run_sends_the_same_orders() -> None:
    assert vary_demo_order() == vary_demo_order()


def test_a_given_order_varies_in_its_patient_alone() -> None:
    order = load_demo_order()
    for variation in vary_patient(order, "me@example.com"):
        assert {**variation.body, "patient": order["patient"]} == order
        assert variation.user_email == "me@example.com"


def test_every_variation_is_taken(http: FlaskClient) -> None:
    secret = {"client_id": CLIENT.name, "client_secret": CLIENT.secret}
    token = http.post("/v1/oauth/token", json=secret).get_json()["token"]
    for number, variation in enumerate(vary_demo_order()):
        key = {"Idempotency-Key": f"{number:032}"} if variation.has_key else {}
        headers = {**variation.headers, "Authorization": f"Bearer {token}", **key}
        answer = http.post("/v1/orders", json=variation.body, headers=headers)
        assert (answer.status_code, answer.get_json().get("warnings")) == (201, None)


def test_a_key_is_replaced_in_each_request() -> None:
    keyed = next(each for each in vary_demo_order() if each.has_key)
    assert keyed.headers["Idempotency-Key"] == PLACEHOLDER.decode()


def test_the_paths_of_a_document_name_its_values() -> None:
    document = {"a": {"b": [{"c": 1}, {"d": None}]}, "e": []}
    assert sorted(list_value_paths(document)) == ["a.b.c", "a.b.d", "e"]
