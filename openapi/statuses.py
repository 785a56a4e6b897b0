"""The statuses of a call and their meanings: from its RPC's comment and the gateway's table."""

import re
from collections.abc import Iterator, Mapping

from chassis.errors import IDEMPOTENCY_MISMATCH
from chassis.status import Code
from gateway.problems import DETAILS, STATUS
from openapi.fields.comments import split_sentences
from openapi.routes import Route

CODES = "|".join(code.name for code in Code)
CODE = re.compile(rf"\b({CODES})\b")
UNSAID = re.compile(rf"\b({CODES}|gRPC)\b")
REASON = re.compile(
    rf"\b(MALFORMED|INVALID|OVER_DELIVERY|PRESCRIPTION|NOT_ALLOWED|CONFLICT|DISQUALIFIED|VERSION_MISMATCH|{IDEMPOTENCY_MISMATCH})\b"
)
NOISE = re.compile(
    r"\((?:MALFORMED|INVALID|reason \w+)(?:, ([^)]*))?\)|"
    r"with reason \w+(?: and (?:metadata|a detail) \S+(?: \([^)]*\))?)?|carries reason .*|"
    r"(?:: )?in this order"
)
# What INVALID_ARGUMENT without a reason stands for, where shape and meaning are told apart.
BOTH_REASONS = ("MALFORMED", "INVALID")

SHARED = {
    400: "The request is malformed, or breaks rules: every fault is listed.",
    401: "No credentials, or wrong ones.",
    403: "The account may not do this.",
    404: "There is no such thing, or none that the caller may see.",
    408: "The body did not come in time.",
    409: "Another request with this Idempotency-Key is still running; try again.",
    412: "The thing has another version than If-Match.",
    413: "The body is over 1 MiB.",
    415: "The body is multipart, XML or a form, or has another Content-Encoding than gzip.",
    422: "The Idempotency-Key was used for another request.",
    428: "There is no If-Match.",
    429: "More requests than the operator allows; try again after Retry-After seconds.",
    500: "Something unforeseen. The answer has the request's id, and nothing more.",
    503: f"{DETAILS[Code.RESOURCE_EXHAUSTED]} Or: {DETAILS[Code.UNAVAILABLE].lower()}",
    504: DETAILS[Code.DEADLINE_EXCEEDED],
}
AT_TOKENS = {
    413: "The body is over 1 MiB, or a form over 16 KiB or 100 parameters.",
    415: "The body is multipart or XML, or has another Content-Encoding than gzip.",
}
ADDED = (400, 409, 422)  # they mean this besides what the RPC says
OF_CONDITIONS = (412, 428)
OF_BODIES = (408, 413, 415)
OF_KEYS = (409, 422)
OF_ALL = (400, 401, 429, 500, 503, 504)


def list_statuses(route: Route, comments: Mapping[str, str]) -> dict[int, list[str]]:
    """Return the meanings of each status of a refusal, the call's own ones first."""
    found: dict[int, list[str]] = {}
    paragraphs = comments[route.rpc.containing_service.file.package].split("\n\n")
    header = next(each for each in paragraphs if "Every RPC" in each)
    texts = [comments[each.full_name] for each in route.rpcs]
    if route.name != "create_token":
        texts.append(header)
    for code, clause in (pair for text in texts for pair in _list_clauses(text)):
        for status in _map_code(route, code, clause):
            meaning = SHARED[status] if status >= 500 else _clean(clause) or SHARED[status]
            if meaning not in found.setdefault(status, []):
                found[status].append(meaning)
    applies = [*OF_ALL, *(OF_BODIES if route.has_body else ())]
    applies += OF_KEYS if route.method == "POST" else ()
    applies += OF_CONDITIONS if route.needs_if_match else ()
    shared = SHARED | (AT_TOKENS if route.name == "create_token" else {})
    for status in applies:
        meanings = found.setdefault(status, [])
        if shared[status] not in meanings and (status in ADDED or not meanings):
            meanings.append(shared[status])
    return {status: found[status] for status in sorted(found)}


def describe_call(route: Route, comments: Mapping[str, str]) -> str:
    """Return what a call does: the sentences of its RPC's comment that name no status."""
    paragraphs = [text for each in route.rpcs for text in comments[each.full_name].split("\n\n")]
    kept = (
        " ".join(each for each in split_sentences(text) if not UNSAID.search(each))
        for text in paragraphs
    )
    return "\n\n".join(text for text in kept if text)


def _list_clauses(text: str) -> Iterator[tuple[Code, str]]:
    """Yield each code that a comment names, with the words that belong to it."""
    for sentence in split_sentences(text):
        parts = CODE.split(sentence)
        before = parts[0] if not re.search(r"may (answer|return)", parts[0]) else ""
        for code, clause in zip(parts[1::2], parts[2::2], strict=True):
            yield Code[code], f"{before} {clause}"
            before = ""


def _map_code(route: Route, code: Code, clause: str) -> list[int]:
    by: Mapping[Code | str, int] = STATUS | route.dialect.status
    reason = REASON.search(clause)
    if code == Code.INVALID_ARGUMENT and not reason:
        reasons = [each for each in BOTH_REASONS if each in route.dialect.status]
        return [by[code], *(by[each] for each in reasons)]
    return [by.get(reason[1]) or by.get(code, 500) if reason else by.get(code, 500)]


def _clean(clause: str) -> str:
    """Return a clause as a sentence for people who know HTTP alone."""
    text = NOISE.sub(lambda found: found[1] or "", clause)
    text = re.sub(r"^[\s:;,]+|[\s:;,.]+$|,? and$", "", text.strip())
    text = re.sub(r"[\s,;]+(?:and)?$", "", text)
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1]
    return f"{text[0].upper()}{text[1:]}." if re.search(r"[A-Za-z]{2}", text) else ""
