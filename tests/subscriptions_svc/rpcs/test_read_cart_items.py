"""ReadCartItems: contact lenses of a cart out of a FHIR document, on both engines."""

import json

from grpc import StatusCode

from protos import subscriptions_pb2 as pb
from tests.optics.fhir_documents import contact, document, lens
from tests.serving import Served


def test_it_works(subscriptions: Served) -> None:
    before = subscriptions.rows()
    sent = document(contact(brand="Acme Daily", backCurve=8.6))
    request = pb.ReadCartItemsRequest(document=json.dumps(sent))
    answer = subscriptions.call("ReadCartItems", request)
    assert list(answer.cart_items) == [
        pb.NewCartItem(
            type="contact_lens_subscription",
            name="Acme Daily, -2.00, BC 8.6",
            quantity=1,
            product_data=pb.ProductData(eye="left"),
        )
    ]
    assert [each.path for each in answer.not_carried] == [
        "lensSpecification.0.power",
        "lensSpecification.0.backCurve",
    ]
    assert subscriptions.rows() == before


def test_a_document_of_glasses_has_no_items(subscriptions: Served) -> None:
    request = pb.ReadCartItemsRequest(document=json.dumps(document(lens())))
    failure = subscriptions.refusal("ReadCartItems", request)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert [(each.path, each.message) for each in failure.faults] == [
        ("lensSpecification", "Must have a contact lens.")
    ]
