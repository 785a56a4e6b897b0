"""Optigate's shape from the tutorials: a Flask gateway before two gRPC services.

`python -m bench.peers.by_the_book orders` and `... subscriptions` serve at
LISTEN with the database at DATABASE_URL; the gateway is
`gunicorn 'bench.peers.by_the_book.gateway:create_app()'` with ORDERS_ADDR and
SUBSCRIPTIONS_ADDR.
"""
