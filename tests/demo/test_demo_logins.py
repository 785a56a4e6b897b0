"""Production knows the demo's people and their password."""

import tomllib
from pathlib import Path

from orders_svc.store.access.users import DEMO_PASSWORD, DEMO_USERS

DEMO = Path(__file__).parents[2] / "demo" / "orders.toml"


def test_every_user_of_the_demo_is_known() -> None:
    users = tomllib.loads(DEMO.read_text())["users"]
    assert {each["email"] for each in users} == set(DEMO_USERS)
    assert {each["password"] for each in users} == {DEMO_PASSWORD}
