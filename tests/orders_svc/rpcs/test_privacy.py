"""Nothing of a patient or of a prescription is in a log line, a refusal or an event."""

from typing import Any

from protos import orders_pb2 as pb
from tests.chassis.logs import capture_log
from tests.orders_svc.bodies import Body, put, request
from tests.serving import Served

SECRETS = ["Zebedee", "Quixley", "zq@example.net", "555-7731", "Frobnitz", "-7.77", "Xanadu"]


def build_private(order: Body) -> Body:
    """Return the example with words that occur nowhere else."""
    order["patient"] = {
        "first_name": "Zebedee",
        "last_name": "Quixley",
        "email": "zq@example.net",
        "phone_number": "555-7731",
    }
    put(order, "special_instructions", "Frobnitz")
    put(order, "rx.left_eye.sphere", -7.77)
    put(order, "shipping.address.city", "Xanadu")
    return order


def test_it_works(orders: Served, order: Body, unique: str) -> None:
    sent = build_private({**order, "mode": "draft"})
    said: list[Any] = []
    with capture_log() as lines:
        made = orders.call("CreateOrder", request(sent), idempotency_key=unique)
        said.append(made.warnings)
        asked = {"order_id": made.id}
        for wrong in (
            {"services": ["Frobnitz"]},
            {"mode": "Zebedee"},
            {"mounting_option": "-7.77"},
        ):
            said.append(orders.refusal("CreateOrder", request(sent, **wrong)))
        tracing = {**sent["frame"], "tracing": "Zebedee=1\nTRCFMT=Quixley;4;E;R\n"}
        said.append(orders.refusal("CreateOrder", request(sent, frame=tracing)))
        for rpc in ("GetOrder", "SubmitOrder", "GetOrderOutline", "GetOrderJob"):
            orders.call(rpc, getattr(pb, f"{rpc}Request")(**asked))
        said.append(orders.refusal("SubmitOrder", pb.SubmitOrderRequest(**asked)))
        for rpc in ("GetLabOrder", "GetLabOrderJob"):
            orders.call(rpc, getattr(pb, f"{rpc}Request")(**asked), "staff", desk=True)
        change = pb.UpdateOrderRequest(**asked, lab_status="shipped", tray_number="Xanadu")
        said.append(orders.refusal("UpdateOrder", change, "staff", desk=True))
        listed = pb.ListOrdersRequest(lab="lab_123", account_number="1", starting_after="Zebedee")
        said.append(orders.refusal("ListOrders", listed))
    text = f"{lines()} {said}"
    assert len(lines()) > 10
    assert [each for each in SECRETS if each in text] == []


def test_a_crash_reveals_nothing(orders: Served, order: Body) -> None:
    made = orders.call("CreateOrder", request(build_private(order)))
    with orders.database.write() as tx:
        tx.exec_driver_sql('UPDATE orders SET document = \'{"patient": "Zebedee"}\'')
    with capture_log() as lines:
        failure = orders.refusal("GetOrder", pb.GetOrderRequest(order_id=made.id))
    assert "Zebedee" not in f"{lines()} {failure}"
