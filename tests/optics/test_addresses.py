"""What is an e-mail address that can be written to; each API refuses others in one sentence."""

import pytest
from marshmallow import ValidationError

from optics.addresses import NOT_AN_ADDRESS, check_email, is_deliverable
from orders_svc.rules.order import PatientSchema
from sessions_svc.rules.sessions import UserSchema

DELIVERABLE = [
    "ada@example.com",
    "josé@example.com",
    "用户@例子.中国",
    "é" * 32 + "@a.org",
    "x@münchen.de",
]
UNDELIVERABLE = ["", "ada", "a..b@a.org", "é" * 33 + "@a.org", "x" * 65 + "@a.org", "a b@a.org"]


@pytest.mark.parametrize("address", DELIVERABLE)
def test_an_address_of_any_script_is_taken(address: str) -> None:
    assert is_deliverable(address)
    check_email(address)


@pytest.mark.parametrize("address", UNDELIVERABLE)
def test_what_cannot_be_written_to_is_refused_in_one_sentence(address: str) -> None:
    assert not is_deliverable(address)
    with pytest.raises(ValidationError, match=NOT_AN_ADDRESS):
        check_email(address)


@pytest.mark.parametrize("schema", [PatientSchema, UserSchema])
def test_orders_and_sessions_say_the_same(schema: type) -> None:
    assert schema().validate({"email": "no address"})["email"] == [NOT_AN_ADDRESS]
    for address in DELIVERABLE:
        assert "email" not in schema().validate({"email": address})
