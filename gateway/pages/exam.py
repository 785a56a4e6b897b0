"""From a partner's link to the exam and back: /login and /exam.

Start, a form that needs no JavaScript, uses up the link's token. The exam's token is
then in a cookie for the path of this one exam: a reload is harmless, and two exams
in one browser do not interfere. The exam's name in that path is part of the token's
hash and opens nothing.
"""

import hashlib
import secrets
from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, g, request, url_for
from werkzeug.datastructures import Headers

from chassis.errors import Failure
from chassis.languages import ENGLISH
from chassis.messages.reader import Reader
from chassis.status import Code
from gateway import backends
from gateway.backends import attempt, call, decode_error
from gateway.channel import RpcError
from gateway.pages.localized import read_language, render_localized
from gateway.problems import answer_failure
from gateway.requests import read
from protos.sessions_pb2 import (
    CompleteExamRequest,
    CreateCheckoutRequest,
    EnterExamRequest,
    Exam,
    GetDoorRequest,
    GetExamRequest,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

bp = Blueprint("exam", __name__)
results = Blueprint("results", __name__)  # the exam's script reads its failures
COOKIE_NAME = "exam"
LINK_FIELDS = ("user_key", "session_key", "token")
COMPLETE_EXAM = Reader(CompleteExamRequest, path=("exam_token",))
# The status of a link that opens nothing: it never did, or no longer does.
CLOSED_STATUS = {Code.NOT_FOUND: 404, Code.INVALID_ARGUMENT: 404, Code.FAILED_PRECONDITION: 410}


@bp.get("/login")
def get_door() -> Response:
    return render_door({name: request.args.get(name, "") for name in LINK_FIELDS})


def render_door(link: dict[str, Any], status: int = 200) -> Response:
    """Return the page of a link; status 422 marks that nothing was chosen."""
    door = call(backends.door().GetDoor, GetDoorRequest(**link))
    fields = {**link, "visit": secrets.token_urlsafe(24)}
    return render_localized(
        "door.html",
        door.language or ENGLISH,
        status,
        door=door,
        missing=status == 422,
        fields=fields,
        action=url_for("exam.enter_exam", lang=read_language()),
        link_to=lambda language: url_for("exam.get_door", **link, lang=language),
    )


@bp.post("/login")
def enter_exam() -> Response:
    link: dict[str, Any] = {name: request.form.get(name, "") for name in LINK_FIELDS}
    message = EnterExamRequest(**link, visit=request.form.get("visit", ""), product=read_choice())
    entered = attempt(backends.door().EnterExam, message, Code.INVALID_ARGUMENT)
    if isinstance(entered, Failure):
        g.reason = entered.reason
        if {fault.path for fault in entered.faults} == {"product"}:
            return render_door(link, 422)
        return render_closed(404)
    path = url_for("exam.get_exam", exam=name_exam(entered.exam_token))
    response = SeeOther(
        url_for("exam.get_exam", exam=name_exam(entered.exam_token), lang=read_language())
    )
    response.set_cookie(
        COOKIE_NAME,
        entered.exam_token,
        path=path,
        expires=entered.expires_at.ToDatetime(UTC),
        secure=current_app.config["PUBLIC_URL"].startswith("https:"),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/exam/<exam>")
def get_exam(exam: str) -> Response:
    found = call(backends.door().GetExam, GetExamRequest(exam_token=find_token(exam)))
    return RENDERERS[found.next](found, exam)


@bp.post("/exam/return")
def leave_exam() -> Response:
    token = request.form.get("exam_token", "")
    found = call(backends.door().GetExam, GetExamRequest(exam_token=token))
    return SeeOther(found.return_url) if found.return_url else render_end(found, "")


@bp.post("/exam/<exam>/checkout")
def create_checkout(exam: str) -> Response:
    message = CreateCheckoutRequest(
        exam_token=find_token(exam), exam=exam, language=read_language() or ""
    )
    call(backends.door().CreateCheckout, message)
    return SeeOther(url_for("exam.get_exam", exam=exam, lang=read_language()))


@results.post("/exam/<exam>/results")
def complete_exam(exam: str) -> tuple[str, int]:
    message = read(COMPLETE_EXAM, exam_token=find_token(exam))
    call(backends.door().CompleteExam, message)
    return "", 204


def read_choice() -> str | None:
    """Return the product that the door's form names last; '' is what it names without a choice."""
    named = request.form.getlist("product")
    return named[-1] if named else None


def render_acuity(found: Exam, exam: str) -> Response:
    """Return the page that is itself the exam."""
    path = url_for("results.complete_exam", exam=exam)
    return render_localized("exam.html", choose_locale(found), results=path)


def render_front_end(found: Exam, exam: str) -> Response:
    """Return the page that leads to the operator's own exam.

    Its token travels in the URL's fragment, which browsers send to no server.
    """
    url = current_app.config["EXAM_URL"]
    token = urlencode({"exam_token": find_token(exam)})
    if not url:
        g.reason = "EXAM_URL_NOT_SET"  # for the operator; the shopper cannot help it
    return render_localized(
        "front_end.html",
        choose_locale(found),
        url=url and f"{url}#{token}",
        host=urlsplit(url).netloc,
    )


def render_end(found: Exam, exam: str) -> Response:
    """Return the page of the outcome, with the way back."""
    host = urlsplit(found.return_url).netloc
    return render_localized("exam_end.html", choose_locale(found), exam=found, host=host)


def render_checkout(found: Exam, exam: str) -> Response:
    """Return the page on which the exam is paid for; it looks again by itself."""
    return render_localized(
        "checkout.html",
        choose_locale(found),
        exam=found,
        host=urlsplit(found.payment_url).netloc,
        action=url_for("exam.create_checkout", exam=exam, lang=read_language()),
    )


def choose_locale(found: Exam) -> str:
    """Return the last resort of the pages of an exam: the partner's language."""
    return found.language or ENGLISH


def render_closed(status: int) -> Response:
    """Return the page of a link that opens nothing."""
    return render_localized("closed.html", ENGLISH, status)


RENDERERS = {
    "acuity": render_acuity,
    "front_end": render_front_end,
    "checkout": render_checkout,
    "return": render_end,
}


def name_exam(token: str) -> str:
    """Return the name of the exam that a token opens."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def find_token(exam: str) -> str:
    """Return this browser's token of the exam of this name; '' if it has none."""
    token = request.cookies.get(COOKIE_NAME, "")
    return token if name_exam(token) == exam else ""


class SeeOther(Response):
    """A redirect that a browser follows with GET, to a URL that is sent byte for byte.

    Werkzeug would requote it, and the partner's page might not recognize it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(status=303)
        self.url = url

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        headers = super().get_wsgi_headers(environ)
        headers["Location"] = self.url
        return headers


def check_exam_url(url: str) -> str:
    """Return the URL of the operator's exam, which may be ''; an invalid one ends the process."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or "#" in url):
        raise SystemExit("GATEWAY_EXAM_URL must be an http or https URL without a fragment.")
    return url


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Return one page for every link that opens nothing; it does not say why."""
    failure = decode_error(error)
    if failure.code not in CLOSED_STATUS:
        return answer_failure(failure)
    g.reason = failure.reason
    return render_closed(CLOSED_STATUS[failure.code])


@bp.after_request
def forbid_referrers_and_caching(response: Response) -> Response:
    """Keep these URLs from other sites and the answers out of caches."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
