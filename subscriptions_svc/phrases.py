"""What shops are answered when something was done, in the language of the merchant's locale."""

_UPDATED = {
    "en": "Subscription products updated successfully",
    "es": "Productos de suscripción actualizados exitosamente",
    "pt": "Produtos da assinatura atualizados com sucesso",
    "de": "Die Produkte des Abonnements wurden aktualisiert",
    "it": "Prodotti dell'abbonamento aggiornati con successo",
    "fr": "Les produits de l'abonnement ont été mis à jour",
}
_CANCELLED = {
    "en": "Subscription cancelled successfully",
    "es": "Suscripción cancelada exitosamente",
    "pt": "Assinatura cancelada com sucesso",
    "de": "Das Abonnement wurde gekündigt",
    "it": "Abbonamento annullato con successo",
    "fr": "L'abonnement a été résilié",
}
_WARRANTY_EVENT_CREATED = {
    "en": "Warranty event created successfully",
    "es": "Evento de garantía creado exitosamente",
    "pt": "Evento de garantia criado com sucesso",
    "de": "Der Garantiefall wurde angelegt",
    "it": "Evento di garanzia creato con successo",
    "fr": "L'événement de garantie a été créé",
}


def updated(locale: str) -> str:
    """A new cart was proposed."""
    return _in(_UPDATED, locale)


def cancelled(locale: str) -> str:
    """A subscription has ended."""
    return _in(_CANCELLED, locale)


def warranty_event_created(locale: str) -> str:
    """A repair or a replacement was registered."""
    return _in(_WARRANTY_EVENT_CREATED, locale)


def _in(texts: dict[str, str], locale: str) -> str:
    language = locale.replace("_", "-").partition("-")[0].lower()
    return texts.get(language, texts["en"])
