"""What shops are answered, in the language of the merchant."""

import pytest

from subscriptions_svc.notices.phrases import cancelled, updated, warranty_event_created


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
    assert cancelled(locale) == told


def test_each_language_has_each_phrase() -> None:
    for phrase in (cancelled, updated, warranty_event_created):
        languages = ("en", "es", "pt", "de", "it", "fr")
        assert len({phrase(language) for language in languages}) == 6
