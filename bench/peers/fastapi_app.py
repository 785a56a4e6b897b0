"""The FastAPI monolith: `DATABASE_URL=... uvicorn bench.peers.fastapi_app:app --workers 2`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError

from bench.peers import orders, subscriptions
from bench.peers.database import Database
from bench.peers.fastapi_models import Credentials, NewOrder, SubscriptionOut
from bench.peers.refusals import Refusal, build_invalid_order, build_orders_error

THREADS = 8  # of each worker; as many database connections


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database in the worker."""
    current_default_thread_limiter().total_tokens = THREADS
    app.state.database = Database(os.environ["DATABASE_URL"], THREADS)
    yield
    app.state.database.close()


app = FastAPI(lifespan=lifespan)


async def find_database(request: Request) -> Database:
    """Return the database; a plain `def` would take a thread of its own."""
    found: Database = request.app.state.database
    return found


async def require_bearer(authorization: Annotated[str, Header()] = "") -> str:
    """Return the header; without a token it is refused before the body is validated."""
    if not authorization.lower().startswith("bearer "):
        raise build_orders_error(401, "Send a token.")
    return authorization


Open = Annotated[Database, Depends(find_database)]
Bearer = Annotated[str, Depends(require_bearer)]
HeaderText = Annotated[str, Header()]


@app.get("/livez")
async def livez() -> dict[str, str]:
    """Answer while the process runs."""
    return {"status": "ok"}


@app.post("/v1/oauth/token")
def create_token(body: Credentials, database: Open) -> dict[str, str]:
    """Exchange client credentials for a token."""
    with database.read() as session:
        account = orders.find_account(session, body.client_id, body.client_secret)
    if account is None:
        raise build_orders_error(401, "Send the name and secret of an account.")
    token, row = orders.build_token(account)
    with database.write() as session:
        session.add(row)
    return {"token": token}


@app.post("/v1/orders", status_code=201)
def create_order(
    body: NewOrder,
    response: Response,
    database: Open,
    authorization: Bearer,
    user_email: HeaderText = "",
    idempotency_key: HeaderText = "",
) -> dict[str, str]:
    """Create an order, or answer as before where its Idempotency-Key has created one."""
    order = body.model_dump(exclude_none=True)
    request = body.model_dump_json().encode() if idempotency_key else b""
    with database.read() as session:
        account_id, user_id = orders.find_caller(session, authorization, user_email)
        if kept := orders.find_kept_answer(session, account_id, idempotency_key, request):
            response.headers["Idempotent-Replayed"] = "true"
            return kept
        if faults := orders.find_offer_faults(session, user_id, order):
            raise build_invalid_order(faults)
    row = orders.build_order(account_id, user_id, order)
    answer = orders.build_answer(row.id, body.mode)
    with database.write() as session:
        session.add(row)
        orders.keep_answer(session, account_id, idempotency_key, request, answer)
    return answer


@app.get("/v1/orders/{order_id}")
def get_order(
    order_id: str, database: Open, authorization: Bearer, user_email: HeaderText = ""
) -> dict[str, Any]:
    """Return an order as it was sent."""
    with database.read() as session:
        who = orders.find_caller(session, authorization, user_email)
        return orders.read_order(session, who, order_id)


@app.get("/api/public/v1/subscriptions/{subscription_id}", response_model=SubscriptionOut)
def get_subscription(
    subscription_id: str, database: Open, authorization: HeaderText = ""
) -> dict[str, Any]:
    """Return a subscription."""
    with database.read() as session:
        account = subscriptions.authenticate_basic(session, authorization)
        return subscriptions.read_subscription(session, account, subscription_id)


@app.exception_handler(Refusal)
async def answer_refusal(request: Request, refusal: Refusal) -> JSONResponse:
    """Answer in the form of the API."""
    return JSONResponse(refusal.body, refusal.status)


@app.exception_handler(IntegrityError)
async def answer_conflict(request: Request, error: IntegrityError) -> JSONResponse:
    """Refuse the twin of a request that is under way with the same key."""
    refusal = build_orders_error(409, orders.KEY_IN_USE)
    return JSONResponse(refusal.body, refusal.status)


@app.exception_handler(RequestValidationError)
async def answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Name every fault by its dotted path."""
    faults = [
        (".".join(str(part) for part in each["loc"][1:]), each["msg"]) for each in error.errors()
    ]
    refusal = build_invalid_order(faults)
    return JSONResponse(refusal.body, refusal.status)
