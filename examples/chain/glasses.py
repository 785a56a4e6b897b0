"""The glasses: an optician orders what the doctor dispensed, a lab makes them."""

from examples import desk, optician, partner
from examples.api import call
from examples.chain.person import read_person

MEASURED_ED = 53  # millimetres, with a ruler; the tracing says 50, and the lab wonders


def draft(session_key: str) -> list[str]:
    """Draft an order of the dispensed glasses; returns its id, the link to its review, warnings."""
    body = {**optician.build_order(partner.list_prescriptions(session_key)), "mode": "draft"}
    person = read_person()
    body["patient"] = {name: person[name] for name in ("first_name", "last_name", "email")}
    body["shipping"]["name"] = f"{person['first_name']} {person['last_name']}"
    body["frame"]["lens_ed"] = MEASURED_ED
    key = f"draft-{session_key}"
    made = call("POST", "/v1/orders", body, key=key, headers=optician.log_in())
    warnings = [f"{each['code']}: {each['message']}" for each in made.get("warnings", [])]
    return [made["id"], made["url"], *warnings]


def submit(order_id: str) -> list[str]:
    """Submit the draft with its warnings acknowledged; returns its status at the lab."""
    headers = optician.log_in()
    order = call("GET", f"/v1/orders/{order_id}", headers=headers)
    codes = [each["code"] for each in order.get("warnings", [])]
    body = {"acknowledged_warnings": codes}
    path = f"/v1/orders/{order_id}"
    call("POST", f"{path}/submit", body, key=f"submit-{order_id}", headers=headers)
    return [call("GET", path, headers=headers)["lab_status"]]


def ship(order_id: str) -> list[str]:
    """Make the glasses, and ship them to the optician; returns the lab's status."""
    return [desk.ship(order_id)]


def track(order_id: str) -> list[str]:
    """Return the link of the page on which the patient follows the order."""
    path = f"/v1/orders/{order_id}/tracking_link"
    return [call("POST", path, {}, headers=optician.log_in())["url"]]


def announce(order_id: str) -> list[str]:
    """Tell the patient that the glasses can be picked up; returns the order's status."""
    path = f"/v1/orders/{order_id}/ready_for_pickup"
    made = call("POST", path, {}, key=f"ready-{order_id}", headers=optician.log_in())
    return [made["lab_status"]]
