"""The FastAPI monolith: `DATABASE_URL=... uvicorn bench.peers.fastapi_app:app --workers 2`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from bench.peers import orders, subscriptions
from bench.peers.database import Database
from bench.peers.fastapi_models import Credentials, NewOrder, SubscriptionOut
from bench.peers.refusals import Refusal, malformed, of_orders

THREADS = 8  # of each worker; as many database connections


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database in the worker."""
    current_default_thread_limiter().total_tokens = THREADS
    app.state.database = Database(os.environ["DATABASE_URL"], THREADS)
    yield
    app.state.database.engine.dispose()


app = FastAPI(lifespan=lifespan)


async def database_of(request: Request) -> Database:
    """The database; `async`, or it would be a trip of its own to a thread."""
    found: Database = request.app.state.database
    return found


async def bearer(authorization: Annotated[str, Header()] = "") -> str:
    """The header, refused before the body is judged when it names no token."""
    if not authorization.lower().startswith("bearer "):
        raise of_orders(401, "Send a token.")
    return authorization


Open = Annotated[Database, Depends(database_of)]
Bearer = Annotated[str, Depends(bearer)]
AHeader = Annotated[str, Header()]


@app.get("/livez")
async def livez() -> dict[str, str]:
    """Tell that the process runs."""
    return {"status": "ok"}


@app.post("/v1/oauth/token")
def create_token(body: Credentials, database: Open) -> dict[str, str]:
    """Exchange client credentials for a token."""
    with database.read() as session:
        account = orders.account_named(session, body.client_id, body.client_secret)
    if account is None:
        raise of_orders(401, "Send the name and secret of an account.")
    token, row = orders.issue_token(account)
    with database.write() as session:
        session.add(row)
    return {"token": token}


@app.post("/v1/orders", status_code=201)
def create_order(
    body: NewOrder, database: Open, authorization: Bearer, user_email: AHeader = ""
) -> dict[str, str]:
    """Take an order."""
    order = body.model_dump(exclude_none=True)
    with database.read() as session:
        account_id, user_id = orders.caller(session, authorization, user_email)
        if faults := orders.offer_faults(session, user_id, order):
            raise malformed(faults)
    row = orders.new_order(account_id, user_id, order)
    with database.write() as session:
        session.add(row)
    return orders.created(row.id, body.mode)


@app.get("/v1/orders/{order_id}")
def get_order(
    order_id: str, database: Open, authorization: Bearer, user_email: AHeader = ""
) -> dict[str, Any]:
    """Give an order as it was taken."""
    with database.read() as session:
        who = orders.caller(session, authorization, user_email)
        return orders.order_document(session, who, order_id)


@app.get("/api/public/v1/subscriptions/{subscription_id}", response_model=SubscriptionOut)
def get_subscription(
    subscription_id: str, database: Open, authorization: AHeader = ""
) -> dict[str, Any]:
    """Give a subscription."""
    with database.read() as session:
        account = subscriptions.basic_caller(session, authorization)
        return subscriptions.subscription_document(session, account, subscription_id)


@app.exception_handler(Refusal)
async def refused(request: Request, refusal: Refusal) -> JSONResponse:
    """Answer in the API's own form."""
    return JSONResponse(refusal.body, refusal.status)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Name every fault by its dotted path."""
    faults = [
        (".".join(str(part) for part in each["loc"][1:]), each["msg"]) for each in error.errors()
    ]
    refusal = malformed(faults)
    return JSONResponse(refusal.body, refusal.status)
