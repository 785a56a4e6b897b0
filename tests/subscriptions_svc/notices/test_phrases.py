"""Phrases for shops, in the language of the merchant."""

import pytest

from subscriptions_svc.notices.phrases import (
    describe_cancellation,
    describe_update,
    describe_warranty_event,
)


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        ("es-MX", "Suscripción cancelada exitosamente"),
        ("pt_PT", "Assinatura cancelada com sucesso"),
        ("de-AT", "Das Abonnement wurde gekündigt"),
        ("it-IT", "Abbonamento annullato con successo"),
        ("fr-FR", "L'abonnement a été résilié"),
        ("en-GB", "Subscription cancelled successfully"),
        ("ja-JP", "Subscription cancelled successfully"),
    ],
)
def test_the_language_is_that_of_the_locale_or_english(locale: str, told: str) -> None:
    assert describe_cancellation(locale) == told


def test_each_language_has_each_phrase() -> None:
    for phrase in (describe_cancellation, describe_update, describe_warranty_event):
        languages = ("en", "es", "pt", "de", "it", "fr")
        assert len({phrase(language) for language in languages}) == 6
