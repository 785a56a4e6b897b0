"""What is encrypted of patients, where encryption is on.

What a lab says of an order, in its history and in its answer to a request to cancel, may name its
patient. Lens packages are an optician's own presets, and name nobody.
"""

from chassis.notices.queue import MessageQueue
from chassis.store.encryption.columns import Personal
from orders_svc.store.tables import messages, order_history, orders
from orders_svc.store.words import replace_words

ORDERS = Personal(
    orders,
    ["id"],
    ["document", "warnings", "traced", "cancel_reason", "tracking_number"],
    reindex=replace_words,
)
HISTORY = Personal(order_history, ["order_id", "version"], ["lab_word"])
QUEUE = MessageQueue(messages)  # of e-mails to patients
TABLES = [ORDERS, HISTORY, QUEUE.personal]
