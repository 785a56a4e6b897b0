"""Orders that the tests of this folder begin with."""

import pytest

from tests.orders_svc.bodies import LAB, REDO_DATA, Body, example


@pytest.fixture
def order() -> Body:
    """The example body: an rx order for the lab with every block but redo and multi pair."""
    return example()


@pytest.fixture
def redo(order: Body) -> Body:
    """The example as a redo."""
    return {**order, "submission_type": "redo", "redo_data": dict(REDO_DATA)}


@pytest.fixture
def frame_order(order: Body) -> Body:
    """The least order of a type other than rx."""
    required = "handling manufacturer model material color eye_size bridge"
    return {
        **LAB,
        "mode": "submit",
        "submission_type": "new",
        "order_type": "frame",
        "patient": {"first_name": "Ada", "last_name": "Example"},
        "frame": {name: order["frame"][name] for name in required.split()},
    }
