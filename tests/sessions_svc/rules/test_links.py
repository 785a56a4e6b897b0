"""The rules of links: redirect URLs, and the URL back to the partner."""

import pytest

from sessions_svc.rules.links import CREATE_AUTHENTICATION, build_return_url
from tests.sessions_svc.bodies import find_faults

KEYS = {"user_key": "user1", "session_key": "session1"}
NOT_SAFE = "Must be an https URL, or an http URL on loopback."
NOT_URL = "Must be a URL; percent-encode what is not a URL character."
NO_HOST = "Must be a URL with a valid host and port."


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.com/thankyou",
        "https://partner.com",
        "HTTPS://Partner.COM:8443/a/%C3%A9?x=[1]&y=%20;z=(2)#top",
        "https://[2001:db8::1]/",
        "http://localhost:3000/done",
        "http://127.0.0.1/done",
        "http://127.9.9.9/done",
        "http://[::1]:8000/done",
        "https://partner.com/" + "a" * 1980,
    ],
)
def test_a_redirect_url_is_https_or_on_loopback(url: str) -> None:
    assert find_faults({**KEYS, "redirect_url": url}, CREATE_AUTHENTICATION) == {}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://partner.com/", NOT_SAFE),
        ("http://localhost.partner.com/", NOT_SAFE),
        ("http://127.0.0.1.partner.com/", NOT_SAFE),
        ("http://2130706433/", NOT_SAFE),
        ("ftp://partner.com/", NOT_SAFE),
        ("javascript:alert(1)//https://partner.com", NOT_SAFE),
        ("data:text/html,x", NOT_SAFE),
        ("//partner.com/", NOT_SAFE),
        ("/thankyou", NOT_SAFE),
        ("https:partner.com", NOT_SAFE),
        ("https:///thankyou", NOT_SAFE),
        ("https://?x", NOT_SAFE),
        ("partner.com", NOT_SAFE),
        ("https://partner.com\\@evil.com/", NOT_URL),
        ("https://partner.com/ a", NOT_URL),
        (" https://partner.com/", NOT_URL),
        ("https://partner.com/\n", NOT_URL),
        ("https://partner.com/é", NOT_URL),
        ('https://partner.com/"', NOT_URL),
        ("https://partner.com/<x>", NOT_URL),
        ("https://user:pass@partner.com/", "Must not contain a user name or password."),
        ("https://partner.com:99999/", NO_HOST),
        ("https://partner.com:x/", NO_HOST),
        ("https://[::1", NO_HOST),
        ("https://partner.com/" + "a" * 1981, "Must be at most 2,000 characters."),
    ],
)
def test_another_redirect_url_is_refused(url: str, message: str) -> None:
    found = find_faults({**KEYS, "redirect_url": url}, CREATE_AUTHENTICATION)
    assert found == {"redirect_url": [message]}


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://a.b", "https://a.b?S"),
        ("https://a.b/", "https://a.b/?S"),
        ("https://a.b/?", "https://a.b/?S"),
        ("https://a.b/?x=1", "https://a.b/?x=1&S"),
        ("https://a.b/?x=1&", "https://a.b/?x=1&S"),
        ("https://a.b/?x=+%2b%zz&x=[]", "https://a.b/?x=+%2b%zz&x=[]&S"),
        ("https://a.b/#top", "https://a.b/?S#top"),
        ("https://a.b/#top?x=1", "https://a.b/?S#top?x=1"),
        ("https://a.b/?x=1#", "https://a.b/?x=1&S#"),
        ("https://a.b/?u=https://c.d/?e", "https://a.b/?u=https://c.d/?e&S"),
    ],
)
def test_a_redirect_url_is_kept_byte_for_byte(url: str, whole: str) -> None:
    state = "user_key=u%3A1&session_key=s.1&status=started"
    assert build_return_url(url, "u:1", "s.1", "started", ["x"]) == whole.replace("S", state)
