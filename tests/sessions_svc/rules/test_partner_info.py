"""The rules of partner_info."""

import json

import pytest

from tests.sessions_svc.bodies import build_session, find_faults, load_session


def build_object(length: int) -> str:
    return json.dumps({"note": "é" * (length - 12)}, ensure_ascii=False)


def nest(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        ' {"n": 1.0, "big": 12345678901234567890}\n',
        '{"digits": ' + "9" * 5000 + "}",
        '{"tiny": 1e-999, "huge": 1E999}',
        '{"a": [true, false, null, "NaN", {"b": {}}]}',
        '{"a": "\\u0000 \\ud83d"}',
        nest(100),
        build_object(19_999),
    ],
)
def test_partner_info_is_loaded_as_sent(text: str) -> None:
    assert load_session(partner_info=text)["partner_info"] == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (build_object(20_000), "Must be under 20,000 characters as JSON text."),
        ("{}" + " " * 19_998, "Must be under 20,000 characters as JSON text."),
        ("[]", "Must be a JSON object."),
        ('"text"', "Must be a JSON object."),
        ("1", "Must be a JSON object."),
        ("null", "Must be a JSON object."),
        ("", "Must be valid JSON."),
        ("{", "Must be valid JSON."),
        ("{} {}", "Must be valid JSON."),
        ("{'a': 1}", "Must be valid JSON."),
        ('{"a": NaN}', "Must be valid JSON."),
        ('{"a": Infinity}', "Must be valid JSON."),
        ('{"a": [-Infinity]}', "Must be valid JSON."),
        ('{"a": 01}', "Must be valid JSON."),
        ('{"a": "\n"}', "Must be valid JSON."),
        ("\ufeff{}", "Must be valid JSON."),
        (nest(101), "Must not be nested deeper than 100 levels."),
        ('{"a":' * 3900 + "1" + "}" * 3900, "Must be under 20,000 characters as JSON text."),
        ('{"a":' * 3300 + "1" + "}" * 3300, "Must not be nested deeper than 100 levels."),
        ('{"a":' + "[" * 19_000, "Must not be nested deeper than 100 levels."),
    ],
    ids=str,
)
def test_other_partner_info_is_refused(text: str, message: str) -> None:
    assert find_faults(build_session(partner_info=text)) == {"partner_info": [message]}
