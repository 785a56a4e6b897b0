"""What is encrypted of patients, where encryption is on."""

from chassis.store.encryption.columns import Personal
from orders_svc.store.tables import orders
from orders_svc.store.words import replace_words

ORDERS = Personal(orders, ["id"], ["document", "warnings", "traced"], reindex=replace_words)
TABLES = [ORDERS]
