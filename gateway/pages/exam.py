"""From a partner's link to the exam and back: /login and /exam.

The link's token is used up by Start, which is a form and needs no JavaScript. The
exam's token then lives in a cookie for the path of this one exam, so that a
reload harms nothing and two exams in one browser do not meet. The name of an
exam in its path is a part of the token's hash, and opens nothing.
"""

import hashlib
import secrets
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import grpc
from flask import Blueprint, Response, current_app, g, request, url_for
from grpc import StatusCode as Code
from werkzeug.datastructures import Headers

from chassis.errors import decode
from chassis.messages.reader import Reader
from gateway import backends
from gateway.backends import call
from gateway.pages import page
from gateway.problems import answer, of_failure
from gateway.requests import read
from protos.sessions_pb2 import (
    CompleteExamRequest,
    EnterExamRequest,
    Exam,
    GetDoorRequest,
    GetExamRequest,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

bp = Blueprint("exam", __name__)
results = Blueprint("results", __name__)  # its failures are read by the exam's script
COOKIE = "exam"
LINK = ("user_key", "session_key", "token")
COMPLETE_EXAM = Reader(CompleteExamRequest, path=("exam_token",))
# What a link that opens nothing is answered: it never did, or does no more.
CLOSED = {Code.NOT_FOUND: 404, Code.INVALID_ARGUMENT: 404, Code.FAILED_PRECONDITION: 410}


@bp.get("/login")
def show_door() -> Response:
    link = {name: request.args.get(name, "") for name in LINK}
    door = call(backends.door().GetDoor, GetDoorRequest(**link))
    visit = secrets.token_urlsafe(24)
    return page("door.html", title="Your vision test", door=door, fields={**link, "visit": visit})


@bp.post("/login")
def enter_exam() -> Response:
    fields = {name: request.form.get(name, "") for name in (*LINK, "visit")}
    entered = call(backends.door().EnterExam, EnterExamRequest(**fields))
    path = url_for("exam.show_exam", exam=name_of(entered.exam_token))
    response = Elsewhere(path)
    response.set_cookie(
        COOKIE,
        entered.exam_token,
        path=path,
        expires=entered.expires_at.ToDatetime(UTC),
        secure=current_app.config["PUBLIC_URL"].startswith("https:"),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/exam/<exam>")
def show_exam(exam: str) -> Response:
    found = call(backends.door().GetExam, GetExamRequest(exam_token=token_of(exam)))
    return SHOWN[found.next](found, exam)


@bp.post("/exam/return")
def leave_exam() -> Response:
    found = call(
        backends.door().GetExam, GetExamRequest(exam_token=request.form.get("exam_token", ""))
    )
    return Elsewhere(found.return_url) if found.return_url else show_end(found, "")


@results.post("/exam/<exam>/results")
def complete_exam(exam: str) -> tuple[str, int]:
    asked = read(COMPLETE_EXAM, exam_token=token_of(exam))
    call(backends.door().CompleteExam, asked)
    return "", 204


def show_acuity(found: Exam, exam: str) -> Response:
    """The exam that is in the page itself."""
    path = url_for("results.complete_exam", exam=exam)
    return page("exam.html", title="Visual acuity", results=path)


def show_front_end(found: Exam, exam: str) -> Response:
    """Where the operator's own exam goes on; the fragment is sent to no server."""
    url = current_app.config["EXAM_URL"]
    token = urlencode({"exam_token": token_of(exam)})
    return page(
        "front_end.html",
        title="Your vision test",
        url=url and f"{url}#{token}",
        host=urlsplit(url).netloc,
    )


def show_end(found: Exam, exam: str) -> Response:
    """What came of it, and the way back."""
    host = urlsplit(found.return_url).netloc
    return page("exam_end.html", title="Your vision test", exam=found, host=host)


SHOWN = {"acuity": show_acuity, "front_end": show_front_end, "return": show_end}


def name_of(token: str) -> str:
    """The name of the exam that a token opens."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def token_of(exam: str) -> str:
    """The token of the exam of this name, if it is this browser's; else ''."""
    token = request.cookies.get(COOKIE, "")
    return token if name_of(token) == exam else ""


class Elsewhere(Response):
    """A redirect that a browser follows with GET, to a URL that goes out byte for byte.

    Werkzeug would quote it anew, and a partner's own page may not know it again.
    """

    def __init__(self, url: str) -> None:
        super().__init__(status=303)
        self.url = url

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        headers = super().get_wsgi_headers(environ)
        headers["Location"] = self.url
        return headers


def front_end(url: str) -> str:
    """The URL of the operator's exam, if there is one; a bad one stops the start."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or "#" in url):
        raise SystemExit("GATEWAY_EXAM_URL is an http or https URL without a fragment.")
    return url


@bp.errorhandler(grpc.RpcError)
def closed(error: grpc.RpcError) -> Response:
    """One page for every link that opens nothing; it does not tell why."""
    failure = decode(error)
    if failure.code not in CLOSED:
        return answer(of_failure(failure))
    g.reason = failure.reason
    return page("closed.html", CLOSED[failure.code], title="This link does not open a test")


@bp.after_request
def keep_to_yourself(response: Response) -> Response:
    """No other site learns a URL of ours, and nobody keeps an answer."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
