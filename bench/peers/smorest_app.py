"""The flask-smorest monolith: `gunicorn 'bench.peers.smorest_app:create_app()'`."""
# flask-smorest ships no types:
# mypy: disable-error-code="untyped-decorator"

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from flask import Flask, Response, current_app, g, jsonify, request
from flask.json.provider import JSONProvider
from flask_smorest import Api, Blueprint
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from bench.peers import orders, subscriptions
from bench.peers.database import Database
from bench.peers.refusals import Refusal, build_invalid_order, build_orders_error, flatten
from bench.peers.smorest_schemas import CredentialsSchema, NewOrderSchema, SubscriptionSchema

CONNECTIONS = 16  # more than a worker has threads

bp = Blueprint("peer", __name__)


class Parser(FlaskParser):
    """webargs with orjson."""

    DEFAULT_VALIDATION_STATUS = 400

    def _raw_load_json(self, req: Any) -> Any:
        return orjson.loads(req.get_data())


bp.ARGUMENTS_PARSER = Parser()


class Json(JSONProvider):
    """Flask with orjson."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return JSON as text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return the value of a JSON text."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer with JSON."""
        body = orjson.dumps(self._prepare_response_obj(args, kwargs))
        return Response(body, content_type="application/json")


def find_database() -> Database:
    """Return the database of this worker."""
    found: Database = current_app.extensions["database"]
    return found


def open_reading() -> Session:
    """Return the session of the request; it is closed afterwards."""
    if "session" not in g:
        g.session = find_database().read()
    found: Session = g.session
    return found


def require_user(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let in only the users of a client, before the body is validated."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        headers = request.headers
        authorization, email = headers.get("Authorization", ""), headers.get("User-Email", "")
        g.who = orders.find_caller(open_reading(), authorization, email)
        return view(*args, **kwargs)

    return guarded


@bp.get("/livez")
def livez() -> dict[str, str]:
    """Answer while the process runs."""
    return {"status": "ok"}


@bp.post("/v1/oauth/token")
@bp.arguments(CredentialsSchema)
@bp.response(200)
def create_token(body: dict[str, str]) -> dict[str, str]:
    """Exchange client credentials for a token."""
    account = orders.find_account(open_reading(), body["client_id"], body["client_secret"])
    if account is None:
        raise build_orders_error(401, "Send the name and secret of an account.")
    token, row = orders.build_token(account)
    with find_database().write() as session:
        session.add(row)
    return {"token": token}


@bp.post("/v1/orders")
@require_user
@bp.arguments(NewOrderSchema)
@bp.response(201)
def create_order(order: dict[str, Any]) -> Any:
    """Create an order, or answer as before where its Idempotency-Key has created one."""
    account_id, user_id = g.who
    key, sent = request.headers.get("Idempotency-Key", ""), request.get_data()
    if kept := orders.find_kept_answer(open_reading(), account_id, key, sent):
        return kept, {"Idempotent-Replayed": "true"}
    if faults := orders.find_offer_faults(open_reading(), user_id, order):
        raise build_invalid_order(faults)
    row = orders.build_order(account_id, user_id, order)
    answer = orders.build_answer(row.id, order["mode"])
    with find_database().write() as session:
        session.add(row)
        orders.keep_answer(session, account_id, key, sent, answer)
    return answer


@bp.get("/v1/orders/<order_id>")
@require_user
@bp.response(200)
def get_order(order_id: str) -> dict[str, Any]:
    """Return an order as it was sent."""
    return orders.read_order(open_reading(), g.who, order_id)


@bp.get("/api/public/v1/subscriptions/<subscription_id>")
@bp.response(200, SubscriptionSchema)
def get_subscription(subscription_id: str) -> dict[str, Any]:
    """Return a subscription."""
    account = subscriptions.authenticate_basic(
        open_reading(), request.headers.get("Authorization", "")
    )
    return subscriptions.read_subscription(open_reading(), account, subscription_id)


def create_app() -> Flask:
    """Return the application of one worker, with its own connections."""
    app = Flask(__name__)
    app.config.update(API_TITLE="peer", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    app.json = Json(app)
    app.extensions["database"] = Database(os.environ["DATABASE_URL"], CONNECTIONS)
    Api(app).register_blueprint(bp)

    @app.teardown_request
    def close_session(_: BaseException | None) -> None:
        if session := g.pop("session", None):
            session.close()

    @app.errorhandler(Refusal)
    def answer_refusal(refusal: Refusal) -> tuple[Response, int]:
        return jsonify(refusal.body), refusal.status

    @app.errorhandler(IntegrityError)
    def answer_conflict(error: IntegrityError) -> tuple[Response, int]:
        refusal = build_orders_error(409, orders.KEY_IN_USE)
        return jsonify(refusal.body), refusal.status

    @app.errorhandler(400)
    def answer_invalid(error: HTTPException) -> tuple[Response, int]:
        messages = getattr(error, "data", {}).get("messages", {})
        refusal = build_invalid_order(list(flatten(messages.get("json", messages), "")))
        return jsonify(refusal.body), refusal.status

    return app
