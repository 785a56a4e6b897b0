"""Names and values of any length: what a refusal repeats of them stays short."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.front import CALLER, GET, POST, read_faults
from tests.serving import SERVICES

pytestmark = [
    pytest.mark.parametrize("engine", ["sqlite"], indirect=True),
    pytest.mark.parametrize("dialect", SERVICES),
]
MAX_ANSWER_BYTES = 64 * 1024
LENGTH = 1_000_000
LINE_LENGTH = 4_000  # of what is in a request line or a header
LETTERS = ["a", "\x7f", "é", "😀", '"', "."]  # as JSON, an answer has up to 12 bytes for one
# For each dialect: an object of known fields, a text, a choice, arbitrary JSON.
INSIDE = {"sessions": "prior_prescription", "orders": "rx", "subscriptions": "cart_items"}
KNOWN = {"sessions": "user_key", "orders": "mode", "subscriptions": "email"}
RAW = {"sessions": "partner_info", "orders": "rx", "subscriptions": "discounts"}
ITEM = {
    "sessions": "/api/v2/partners/prescriptions/{}",
    "orders": "/v1/orders/{}",
    "subscriptions": "/api/public/v1/subscriptions/{}",
}


def write_json(value: Any) -> bytes:
    """Write JSON that is as long as its texts."""
    return json.dumps(value, ensure_ascii=False).encode()


def build_bodies(dialect: str, letter: str) -> dict[str, bytes]:
    """Return bodies under 1 MiB with a long name or value in each place."""
    name = letter * (LENGTH // len(json.dumps(letter, ensure_ascii=False).encode()[1:-1]))
    many = {f"{index}{name[: len(name) // 1000]}": 1 for index in range(900)}
    inside, known, raw = INSIDE[dialect], KNOWN[dialect], RAW[dialect]
    duplicate = b'{"%s":%s,"%s":"b"}' % (known.encode(), write_json(name), known.encode())
    return {
        "name": write_json({name: 1}),
        "many names": write_json(many),
        "inner name": write_json({inside: {name: 1}}),
        "inner names": write_json({inside: [many]}),
        "value": write_json({known: name}),
        "text for an object": write_json({inside: name}),
        "texts in a list": write_json({inside: [name]}),
        "name in a map": write_json({raw: {name: {name[:9]: name[:9]}}}),
        "names in a map": write_json({raw: many}),
        "value of a duplicate key": duplicate,
    }


def assert_short(refused: Any, case: str) -> None:
    assert refused.status_code in range(400, 500), (case, refused.status_code)
    assert len(refused.data) < MAX_ANSWER_BYTES, (case, len(refused.data))
    assert sum(map(len, refused.headers.values())) < MAX_ANSWER_BYTES, case


@pytest.mark.parametrize("letter", LETTERS)
def test_a_body_is_not_repeated_at_length(http: FlaskClient, dialect: str, letter: str) -> None:
    for case, body in build_bodies(dialect, letter).items():
        assert_short(http.post(POST[dialect], data=body, headers=CALLER[dialect]), case)
        if dialect == "orders":
            assert_short(http.post("/v1/oauth/token", data=body), f"{case}, for a token")
    if dialect == "orders":
        for form in ({"grant_type": letter * LINE_LENGTH}, {letter * LINE_LENGTH: "1"}):
            assert_short(http.post("/v1/oauth/token", data=form), "a form")


@pytest.mark.parametrize("letter", LETTERS)
def test_a_query_a_path_and_headers_are_not_repeated_at_length(
    http: FlaskClient, dialect: str, letter: str
) -> None:
    name, path, caller = letter * LINE_LENGTH, GET[dialect], CALLER[dialect]
    known = {"orders": "page"}.get(dialect, "limit")
    for query in (
        {name: "1"},
        {known: name},
        {name: ["1", "2"]},
        {f"{letter}{index}": "1" for index in range(1000)},
        {f"{letter}{index}": ["1", "2"] for index in range(1000)},
    ):
        assert_short(http.get(path, query_string=query, headers=caller), str(query)[:20])
    where = path.rpartition("/")[0] + "/" + name
    for each in (ITEM[dialect].format(name), where):
        assert_short(http.get(each, headers=caller), "path")
    if letter.isascii() and letter != "\x7f":
        for header in ("Authorization", "User-Email", "Idempotency-Key", "Content-Encoding"):
            headers = {**caller, header: name}
            assert_short(http.post(POST[dialect], data=b"{", headers=headers), header)


def test_a_long_name_is_cut_and_others_are_whole(http: FlaskClient, dialect: str) -> None:
    body = write_json({"x" * 200: 1, "y" * 201: 1})
    refused = http.post(POST[dialect], data=body, headers=CALLER[dialect])
    assert read_faults(dialect, refused) == [
        ("x" * 200, "Unknown field."),
        ("y" * 199 + "…", "Unknown field."),
    ]


def test_of_many_long_names_the_first_are_listed(http: FlaskClient, dialect: str) -> None:
    body = write_json({f"{index:02}{'é' * 200}": 1 for index in range(50)})
    refused = http.post(POST[dialect], data=body, headers=CALLER[dialect])
    *listed, last = read_faults(dialect, refused)
    assert [path[:2] for path, _ in listed if path] == [f"{i:02}" for i in range(len(listed))]
    assert (20 < len(listed) < 50, last) == (True, (None, "More faults are not listed."))
