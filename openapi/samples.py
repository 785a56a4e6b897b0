"""Code samples of a call: curl, Python, JavaScript and PHP."""

import json
from typing import Any
from urllib.parse import quote, urlencode

from openapi.examples import Step
from openapi.fields.words import Constraints

BASE = "http://127.0.0.1:8080"
CREDENTIALS = {
    "sessions": ("demo-partner", "demo-partner-secret"),
    "orders": ("demo-client", "demo-client-secret"),
    "subscriptions": ("demo-merchant", "demo-merchant-secret"),
}
USER_EMAIL = {"User-Email": "optician@example.com"}


def build_samples(step: Step, method: str, path: str) -> list[Constraints]:
    """Return the samples of a step, as `x-codeSamples` of OpenAPI documents have them."""
    url = build_url(step, path)
    headers = dict(step.headers)
    if step.service == "orders" and step.operation != "create_token":
        headers |= USER_EMAIL
    sources = {
        "cURL": ("Shell", _write_curl),
        "Python": ("Python", _write_python),
        "JavaScript": ("JavaScript", _write_javascript),
        "PHP": ("PHP", _write_php),
    }
    return [
        {"lang": lang, "label": label, "source": write(step, method, url, headers)}
        for label, (lang, write) in sources.items()
    ]


def build_url(step: Step, path: str) -> str:
    """Return the address of a step's call."""
    filled = path.format(**{name: quote(str(each), safe="") for name, each in step.path.items()})
    query = f"?{urlencode(step.query, safe=',[]')}" if step.query else ""
    return f"{BASE}{filled}{query}"


def _is_basic(step: Step) -> bool:
    return step.service != "orders"


def _is_open(step: Step) -> bool:
    return step.operation == "create_token"


def _write_curl(step: Step, method: str, url: str, headers: dict[str, str]) -> str:
    words = [f"curl -g -X {method} '{url}'"]
    if not _is_open(step):
        name, secret = CREDENTIALS[step.service]
        bearer = '-H "Authorization: Bearer $TOKEN"'
        words.append(f"-u {name}:{secret}" if _is_basic(step) else bearer)
    words += [f"-H '{name}: {value}'" for name, value in headers.items()]
    if step.body is not None:
        body = json.dumps(step.body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        words += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    return " \\\n  ".join(words)


def _write_python(step: Step, method: str, url: str, headers: dict[str, str]) -> str:
    lines = [
        "import requests",
        "",
        "answer = requests.request(",
        f'    "{method}",',
        f'    "{url}",',
    ]
    if not _is_open(step):
        if _is_basic(step):
            name, secret = CREDENTIALS[step.service]
            lines.append(f'    auth=("{name}", "{secret}"),')
        else:
            lines = ["import os", "", *lines]
    written = [f'"{name}": "{value}"' for name, value in headers.items()]
    if not _is_open(step) and not _is_basic(step):
        written.insert(0, '"Authorization": "Bearer " + os.environ["TOKEN"]')
    if written:
        lines.append(f"    headers={{{', '.join(written)}}},")
    if step.body is not None:
        lines.append(f"    json={_to_python(step.body)},")
    return "\n".join([*lines, ")", "print(answer.status_code, answer.text)"])


def _write_javascript(step: Step, method: str, url: str, headers: dict[str, str]) -> str:
    written = [f'    "{name}": "{value}",' for name, value in headers.items()]
    if not _is_open(step):
        name, secret = CREDENTIALS[step.service]
        basic = f'"Basic " + btoa("{name}:{secret}")'
        value = basic if _is_basic(step) else '"Bearer " + process.env.TOKEN'
        written.insert(0, f"    Authorization: {value},")
    if step.body is not None:
        written.append('    "Content-Type": "application/json",')
    lines = [f'const answer = await fetch("{url}", {{', f'  method: "{method}",']
    lines += ["  headers: {", *written, "  },"] if written else []
    if step.body is not None:
        body = json.dumps(step.body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        lines.append(f"  body: JSON.stringify({body}),")
    return "\n".join([*lines, "});", "console.log(answer.status, await answer.text());"])


def _write_php(step: Step, method: str, url: str, headers: dict[str, str]) -> str:
    written = [f"'{name}: {value}'" for name, value in headers.items()]
    if not _is_open(step):
        name, secret = CREDENTIALS[step.service]
        basic = f"'Authorization: Basic ' . base64_encode('{name}:{secret}')"
        written.insert(
            0, basic if _is_basic(step) else "'Authorization: Bearer ' . getenv('TOKEN')"
        )
    options: list[tuple[str, str]] = [("method", f"'{method}'"), ("ignore_errors", "true")]
    if step.body is not None:
        written.append("'Content-Type: application/json'")
        options.append(("content", f"json_encode({_to_php(step.body)})"))
    options.insert(1, ("header", f"[{', '.join(written)}]"))
    lines = [f"    '{name}' => {value}," for name, value in options]
    call = f"echo file_get_contents('{url}', false, $context);"
    start = "$context = stream_context_create(['http' => ["
    return "\n".join(["<?php", start, *lines, "]]);", call])


def _to_python(value: Any, depth: int = 1) -> str:
    """Return a value as Python writes it."""
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, dict):
        items = [
            f"{inner}{json.dumps(name)}: {_to_python(each, depth + 1)},\n"
            for name, each in value.items()
        ]
        return f"{{\n{''.join(items)}{outer}}}" if items else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_to_python(each, depth) for each in value)}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _to_php(value: Any, depth: int = 1) -> str:
    """Return a value as PHP writes it."""
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, dict):
        if not value:
            return "new stdClass()"
        items = [f"{inner}{_to_php(k)} => {_to_php(v, depth + 1)},\n" for k, v in value.items()]
        return f"[\n{''.join(items)}{outer}]"
    if isinstance(value, list):
        return f"[{', '.join(_to_php(each, depth) for each in value)}]"
    if isinstance(value, str):
        if any(sign in value for sign in "\r\n"):
            return json.dumps(value, ensure_ascii=False).replace("$", r"\$")
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)
