"""URLs: what is accepted, what it becomes, and that nothing makes another error than the one for settings."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import refusal
from vaulytica.errors import WebhookConfigError
from vaulytica.urls import (
    checked_proxy,
    checked_url,
    is_cleartext,
    is_credential,
    origin,
    split_userinfo,
    url_secrets,
)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("https://siem.example.com", "https://siem.example.com/"),
        ("https://siem.example.com/hook", "https://siem.example.com/hook"),
        ("HTTPS://SIEM.Example.COM/Hook", "https://siem.example.com/Hook"),
        ("https://siem.example.com:8088/a?b=c&d=%20", "https://siem.example.com:8088/a?b=c&d=%20"),
        ("https://siem.example.com:/a", "https://siem.example.com/a"),
        ("https://siem.example.com/a#part", "https://siem.example.com/a"),
        ("https://siem.example.com?a=b", "https://siem.example.com/?a=b"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765/"),
        ("http://[::1]:8765/x", "http://[::1]:8765/x"),
        ("http://localhost/x", "http://localhost/x"),
        ("http://my_host/x", "http://my_host/x"),
        ("https://siem.example.com./x", "https://siem.example.com./x"),
        ("https://münchen.example/ä?ö=ü", "https://xn--mnchen-3ya.example/%C3%A4?%C3%B6=%C3%BC"),
        ("https://u:p@siem.example.com/x", "https://u:p@siem.example.com/x"),
    ],
)
def test_a_good_url_becomes_ascii(given: str, made: str) -> None:
    assert checked_url(given, "url") == made
    assert checked_url(made, "url") == made


@pytest.mark.parametrize("proxy", ["http", "https", "socks4", "socks4a", "socks5", "socks5h"])
def test_proxies(proxy: str) -> None:
    url = f"{proxy}://user:fake@proxy.example.com:3128"
    assert checked_proxy(url) == url


URLISH = st.text("htps:/@.[]?#%&=aé\u3002\uff0f\u2100ß\x00\r\n \\0169-_~\ud800", max_size=30)
HOSTS = st.text(st.characters(), max_size=20)


@given(
    st.text(st.characters())
    | URLISH
    | URLISH.map("https://".__add__)
    | st.builds("https://{}:{}/{}".format, HOSTS, st.integers(-9, 99999), URLISH)
    | st.builds("http://{}@{}?{}".format, HOSTS, HOSTS, HOSTS)
)
def test_any_text_is_a_url_or_a_config_error(text: str) -> None:
    for check in (lambda t: checked_url(t, "url"), checked_proxy):
        if refusal(WebhookConfigError, lambda check=check: check(text)) is not None:
            continue
        made = check(text)
        parts = urlsplit(made)
        assert parts.hostname
        assert not any(c <= " " or c == "\x7f" for c in made)
        split_userinfo(made)
        is_cleartext(made)
        assert origin(made).startswith(f"{parts.scheme}://")
        assert all(isinstance(secret, str) for secret in url_secrets(made))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs"]), min_size=1, max_size=20)
)
def test_a_url_that_is_accepted_is_ascii(path: str) -> None:
    try:
        made = checked_url(f"https://siem.example.com/{path}", "url")
    except WebhookConfigError:
        return
    assert made.isascii()
    assert urlsplit(made).hostname == "siem.example.com"


@pytest.mark.parametrize(
    "place",
    [
        "[v1.a]", "[v1.a:b]", "[::1]x", "x[::1]", "[::1", "::1]", "[]", "[:::1]", "[1.2.3.4]",
        "[fe80::1%\u00e9]", "[::1]]", "[[::1]]", "[::1]:80x", "[127.0.0.1]@[::1]x",
    ],
)  # fmt: skip
def test_brackets_hold_an_ipv6_address_and_nothing_stands_beside_them(place: str) -> None:
    with pytest.raises(WebhookConfigError):
        checked_url(f"https://{place}/", "url")
    with pytest.raises(WebhookConfigError):
        checked_proxy(f"http://{place}")


@pytest.mark.parametrize("place", ["[::1]", "[::1]:8080", "[fe80::1%25eth0]", "[::ffff:1.2.3.4]"])
def test_an_ipv6_address_stays_as_it_is(place: str) -> None:
    for url in (f"https://{place}/", f"https://u:p@{place}/"):
        assert checked_url(url, "url") == url
    assert checked_proxy(f"http://{place}") == f"http://{place}"


def test_userinfo_is_made_ascii_too_and_means_the_same() -> None:
    made = checked_url("https://j\u00f6rg:p\u00e4ss@siem.example.com/", "url")
    assert made.isascii()
    assert split_userinfo(made)[1] == ("j\u00f6rg", "p\u00e4ss")
    with pytest.raises(WebhookConfigError, match="not valid Unicode"):
        checked_url("https://a:\udcff@siem.example.com/", "url")


@pytest.mark.parametrize(
    "host",
    [
        "siem%2eexample.com", "a%00b.example.com", "a,b", "a;b", "a'b", "a*b", "a(b)", "a!b", "a+b",
        "a~b", "$a", "a=b", "a&b", "\uff05.example.com", "a\u3000b.example.com", "℀.example.com",
        "a\u00adb\uff0fc.example.com",
    ],
)  # fmt: skip
def test_a_host_that_parsers_may_read_differently_is_refused(host: str) -> None:
    with pytest.raises(WebhookConfigError):
        checked_url(f"https://{host}/", "url")


def test_only_the_origin_is_shown() -> None:
    url = "https://user:fake@siem.example.com:8088/fake-path?token=fake"
    assert origin(url) == "https://siem.example.com:8088"
    assert split_userinfo(url) == (
        "https://siem.example.com:8088/fake-path?token=fake",
        ("user", "fake"),
    )
    assert split_userinfo("https://siem.example.com/") == ("https://siem.example.com/", None)


def test_the_secrets_of_a_url() -> None:
    url = "https://user:fake%2Fpw@siem.example.com/T0123456789/x/a%20long%20segment?k=fake%20v&z"
    secrets = url_secrets(url)
    for secret in ("fake/pw", "T0123456789", "a%20long%20segment", "a long segment", "fake v"):
        assert secret in secrets
    assert "k=fake%20v&z" in secrets
    assert "x" not in secrets
    assert url_secrets("https://siem.example.com/") == []


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-API-Key", "DD-API-KEY", "Cookie", "X-Auth-Token", "x-secret", "Password"],
)
def test_headers_that_are_likely_to_carry_credentials(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize("name", ["Content-Type", "X-Team", "User-Agent", "Accept"])
def test_headers_that_are_not(name: str) -> None:
    assert not is_credential(name)
