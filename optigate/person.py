"""`optigate person`: what all three services keep of one person, exported and erased over gRPC.

The services know the person by the `person_ref` of their callers. None reads another's store: each
is asked by an account of its own staff, so that each writes its own audit trail.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import click

from chassis.cli.output.tables import json_option, print_result
from optigate.status import ADDRESSES

TIMEOUT_SECONDS = 60
OWNERS = {"sessions": "partner", "orders": "client", "subscriptions": "merchant_id"}
SERVICERS = {
    "sessions": "SessionDeskService",
    "orders": "LabDeskService",
    "subscriptions": "SubscriptionDeskService",
}
# Name and secret of a staff account, as name:secret.
CREDENTIALS = {
    "sessions": "SESSIONS_STAFF",
    "orders": "ORDERS_STAFF",
    "subscriptions": "SUBSCRIPTIONS_STAFF",
}
EXPORT, ERASE = "ExportPerson", "ErasePerson"


class Answer(NamedTuple):
    """What a service has answered: a message, or nothing and why."""

    service: str
    message: Any
    reason: str = ""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.argument("person_ref"),
        click.option("--merchant", "merchant_id", help="Only of this merchant's subscriptions."),
        click.option("--client", help="Only of this client's orders."),
        click.option("--partner", help="Only of this partner's sessions."),
    ):
        command = option(command)
    return command


@click.group(help="Export or erase what all three services keep of one person, over gRPC.")
def person() -> None:
    """The group `person`."""


@person.command(
    help="Write what is kept under a person_ref as JSON, by service. Each is asked at"
    " SESSIONS_LISTEN, ORDERS_LISTEN and SUBSCRIPTIONS_LISTEN, with the staff account in"
    " SESSIONS_STAFF, ORDERS_STAFF and SUBSCRIPTIONS_STAFF (name:secret, or a file named by"
    " ..._STAFF_FILE); one without is left out. The exit code is 1 if one could not answer."
)
@_options
def export(person_ref: str, **owners: str | None) -> None:
    """Export a person."""
    answers = list(_ask_all(EXPORT, person_ref, owners))
    found = {
        each.service: json.loads(each.message.document) if each.message else None
        for each in answers
    }
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    _end(answers)


@person.command(
    help="Blank what is kept under a person_ref in each service, as `persons erase` does. What has"
    " not ended refuses it in that service alone: run it again, and only the rest is erased."
)
@_options
@click.option("--include-open", is_flag=True, help="Also of what has not ended yet.")
@json_option
def erase(person_ref: str, include_open: bool, as_json: bool, **owners: str | None) -> None:
    """Erase a person."""
    answers = list(_ask_all(ERASE, person_ref, owners, include_open=include_open))
    erased = {each.service: each.message.erased if each.message else 0 for each in answers}
    lines = [f"{service}: {count} erased" for service, count in erased.items()]
    print_result({"erased": erased}, as_json, *lines)
    _end(answers)


def _end(answers: list[Answer]) -> None:
    """Exit 1 with the reasons of those services that could not answer."""
    reasons = [f"{each.service}: {each.reason}" for each in answers if each.reason]
    for reason in reasons:
        click.echo(reason, err=True)
    sys.exit(1 if reasons else 0)


def _ask_all(
    rpc: str, person_ref: str, owners: dict[str, str | None], **more: Any
) -> Iterator[Answer]:
    """Ask each service that has credentials; nothing kept is an answer without a message."""
    credentials = {name: _read_credentials(name) for name in ADDRESSES}
    if not any(credentials.values()):
        names = ", ".join(CREDENTIALS.values())
        raise click.UsageError(f"Set at least one of {names} to name:secret of a staff account.")
    for name, credential in credentials.items():
        if credential:
            owner = {OWNERS[name]: owners[OWNERS[name]]} if owners[OWNERS[name]] else {}
            yield _ask(name, credential, rpc, person_ref=person_ref, **owner, **more)


def _read_credentials(service: str) -> str:
    from chassis.settings.variables import read_secret

    try:
        return read_secret(os.environ, CREDENTIALS[service])
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _ask(service: str, credential: str, rpc: str, **values: Any) -> Answer:
    from base64 import b64encode
    from importlib import import_module

    import grpc

    from chassis.cli.client import open_channel

    messages, stubs = (import_module(f"protos.{service}_pb2{end}") for end in ("", "_grpc"))
    address = os.environ.get(f"{service.upper()}_LISTEN", ADDRESSES[service])
    basic = b64encode(credential.encode()).decode()
    try:
        with open_channel(address) as channel:
            stub = getattr(stubs, f"{SERVICERS[service]}Stub")(channel)
            message = getattr(stub, rpc)(
                getattr(messages, f"{rpc}Request")(**values),
                timeout=TIMEOUT_SECONDS,
                metadata=[("authorization", f"Basic {basic}")],
            )
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return Answer(service, None)
        return Answer(service, None, f"{error.code().name.lower()}: {error.details()}")
    return Answer(service, message)
