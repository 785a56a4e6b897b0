"""GetReview: an order with names, a drawing and derived values."""

from sqlalchemy import select, update

from orders_svc.store import tables
from orders_svc.store.personal import ORDERS
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import LAB, Body, request
from tests.orders_svc.rpcs.test_log_in import OPTICIAN, describe
from tests.serving import Served


def create_review(orders: Served, order: Body) -> pb.Review:
    """The review of a new draft."""
    made = orders.call("CreateOrder", request(order, mode="draft"))
    asked_for = pb.GetReviewRequest(order_id=made.id)
    found: pb.Review = orders.call("GetReview", asked_for, kind="Dashboard")
    return found


def test_a_review_names_and_works_out_what_the_order_says(orders: Served, order: Body) -> None:
    found = create_review(orders, order)
    whole = orders.call("GetOrder", pb.GetOrderRequest(order_id=found.order.id))
    svg = orders.call("GetOrderOutline", pb.GetOrderOutlineRequest(order_id=found.order.id)).svg
    assert svg.startswith("<svg")
    assert found == pb.Review(
        order=whole,
        lab_name="Acme Lab",
        style="Progressive",
        material="Polycarbonate",
        color="Crystal Gray",
        coats=["Anti-Reflective Coating", "Hard Coat"],
        outline_svg=svg,
        right_eye=pb.ReviewedEye(
            other_form=pb.OtherForm(sphere=-3, cylinder=0.75, axis=90),
            spherical_equivalent=-2.625,
            prism=pb.ResultantPrism(power=1.12, base=26.6),
        ),
        left_eye=pb.ReviewedEye(spherical_equivalent=-2),
    )


def test_a_review_of_a_draft_without_a_lens_or_an_rx(
    orders: Served, order: Body, frame_order: Body
) -> None:
    del order["lens"]
    found = create_review(orders, order)
    assert (found.style, found.material, found.color, list(found.coats)) == ("", "", "", [])
    bare = create_review(orders, frame_order)
    assert not bare.HasField("right_eye")
    assert bare.outline_svg


def test_what_the_catalog_has_no_more_is_named_by_its_id(orders: Served, order: Body) -> None:
    made = orders.call("CreateOrder", request(order, mode="draft"))
    gone = {**order["lens"], "style": "gone_1", "coats": ["coat_123", "gone_2"]}
    with orders.database.write() as tx:
        this = tables.orders.c.id == made.id
        row = ORDERS.open(tx, tx.execute(select(tables.orders).where(this)).one())
        changed = ORDERS.seal(tx, {"document": {**row.document, "lens": gone}}, row._mapping)
        tx.execute(update(tables.orders).where(this).values(changed))
    asked_for = pb.GetReviewRequest(order_id=made.id)
    found = orders.call("GetReview", asked_for, kind="Dashboard")
    assert (found.style, found.material) == ("gone_1", "Polycarbonate")
    assert list(found.coats) == ["Anti-Reflective Coating", "gone_2"]


def test_a_review_of_somebody_elses_order_does_not_exist(orders: Served, order: Body) -> None:
    made = orders.call("CreateOrder", request(order, mode="draft"))
    for order_id, who, email in (
        (made.id, "client", "second@example.com"),
        (made.id, "other", "stranger@example.org"),
        ("ord_0", "client", OPTICIAN),
        ("", "client", OPTICIAN),
        ("\0", "client", OPTICIAN),
    ):
        asked_for = pb.GetReviewRequest(order_id=order_id)
        failure = orders.refusal("GetReview", asked_for, who, kind="Dashboard", user_email=email)
        assert describe(failure) == ("NOT_FOUND", "You have no such order.")


def test_the_lab_of_a_review_is_the_orders(orders: Served, frame_order: Body) -> None:
    assert create_review(orders, {**frame_order, **LAB}).lab_name == "Acme Lab"
