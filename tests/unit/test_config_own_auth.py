"""A scheme of the user's own in a config, and one that another package names by entry point."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.heart import header, refusal
from vaulytica.delivery.ports import Flow, send
from vaulytica.delivery.request import Request, Response
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookConfig,
    WebhookConfigError,
    WebhookSender,
)
from vaulytica.testing import AUTH_LAWS, AuthCase
from vaulytica.transport.memory import MemoryTransport

URL = "https://siem.example.com/hook"
CANARY = "fake-canary-7f3a"


class Acme:
    """Adds one header; its repr shows what it should not."""

    name = "acme"
    header_names = ("X-Acme",)

    def __init__(self, token: str, scheme: str = "Acme") -> None:
        if not token:
            raise ValueError(f"no token like {CANARY}")
        self.token, self.scheme = token, scheme

    def flow(self, request: Request, now: float) -> Flow[Response]:
        return (yield from send(request.with_headers(("X-Acme", f"{self.scheme} {self.token}"))))

    def secrets(self) -> Sequence[str]:
        return (self.token,)

    def __repr__(self) -> str:
        return f"Acme({self.token})"


def sent_by(config: WebhookConfig) -> str | None:
    transport = MemoryTransport()
    with WebhookSender(config, transport=transport) as sender:
        assert sender.send_event("file_shared", {})
    return header(transport.requests[0], "X-Acme")


def test_an_object_of_ones_own() -> None:
    auth = Acme(CANARY)
    config = WebhookConfig(url=URL, auth=auth)
    assert config.auth is auth
    assert config.destination().auth is auth
    assert sent_by(config) == f"Acme {CANARY}"


def test_it_shows_nothing() -> None:
    config = WebhookConfig(url=URL, auth=Acme(CANARY))
    shown = [repr(config), str(config), repr(config.destination()), repr(config.model_dump())]
    shown += [config.model_dump_json(), repr(config.model_copy())]
    assert not [text for text in shown if "canary" in text]


def test_it_is_held_to_the_rules_for_all() -> None:
    own = Acme(CANARY)
    for settings, why in [
        ({"url": "http://siem.example.com/"}, "plain http"),
        ({"headers": {"x-acme": "1"}}, "clashes with the one set by auth"),
        ({"url": "https://user:fake@siem.example.com/"}, "give only one"),
    ]:
        message = refusal(
            WebhookConfigError, lambda s=settings: WebhookConfig(**({"url": URL, "auth": own} | s))
        )  # type: ignore[misc]
        assert message is not None
        assert why in message


def test_its_own_urls_are_held_to_them_too() -> None:
    own = Acme(CANARY)
    own.urls = ("http://tokens.example.com/",)  # type: ignore[attr-defined]
    with pytest.raises(WebhookConfigError, match="plain http"):
        WebhookConfig(url=URL, auth=own)
    own.urls = (f"https://tokens.example.com/?key={CANARY}",)  # type: ignore[attr-defined]
    assert CANARY in WebhookConfig(url=URL, auth=own).destination().secrets


@pytest.mark.parametrize("lacking", ["name", "header_names", "flow", "secrets"])
def test_what_does_not_fit_the_port_is_refused(lacking: str) -> None:
    parts = {
        key: value
        for key, value in vars(Acme).items()
        if key not in (lacking, "__dict__", "__weakref__")
    }
    own = type("Lacking", (), parts)(CANARY)
    message = refusal(WebhookConfigError, lambda: WebhookConfig(url=URL, auth=own))
    assert message == "auth: must be a WebhookAuth, or have name, header_names, flow and secrets"


@pytest.mark.parametrize("wrong", [Acme, 5, CANARY, object(), [Acme(CANARY)]], ids=range(5))
def test_nor_is_anything_else_taken(wrong: Any) -> None:
    message = refusal(WebhookConfigError, lambda: WebhookConfig(url=URL, auth=wrong))
    assert message is not None
    assert "canary" not in message


@pytest.mark.parametrize("law", AUTH_LAWS, ids=lambda law: law.__name__)
def test_the_laws_are_for_such_schemes_too(law: Any) -> None:
    class Discreet(Acme):
        def __repr__(self) -> str:
            return "Discreet"

        def __reduce__(self) -> str:
            raise TypeError("holds secrets")

    law(AuthCase(lambda: Discreet(CANARY), [CANARY]))


# --- By entry point.


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed as far as Python can tell, with schemes by entry point."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[vaulytica.auth]\n"
        "acme = acme_auth:Acme\n"
        "acme-any = acme_auth:Any\n"
        "acme-gone = acme_auth:Gone\n"
        "acme-none = acme_auth:nothing\n"
        "bearer_token = acme_auth:Acme\n"
    )
    module = type(sys)("acme_auth")
    module.Acme = Acme  # type: ignore[attr-defined]
    module.Any = lambda **settings: Acme(settings["token"])  # type: ignore[attr-defined]
    module.nothing = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme_auth", module)
    monkeypatch.syspath_prepend(tmp_path)


def named(type: str, **settings: Any) -> WebhookConfig:
    return WebhookConfig(url=URL, auth={"auth_type": type, "settings": settings})


@pytest.mark.usefixtures("acme")
def test_a_scheme_by_entry_point_is_named_in_a_config() -> None:
    config = named("acme", token=CANARY, scheme="Fancy")
    assert sent_by(config) == f"Fancy {CANARY}"
    assert sent_by(named("acme-any", token=CANARY)) == f"Acme {CANARY}"
    for shown in (
        repr(config),
        str(config.auth),
        repr(config.model_dump()),
        config.model_dump_json(),
    ):
        assert "canary" not in shown
    assert "'token': '***'" in repr(config)


@pytest.mark.usefixtures("acme")
def test_it_cannot_take_the_place_of_one_of_ours() -> None:
    auth = WebhookAuth(auth_type="bearer_token", bearer_token=CANARY)
    assert type(WebhookConfig(url=URL, auth=auth).destination().auth).__name__ == "BearerAuth"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("type", "settings", "why"),
    [
        ("acme", {}, "settings: token is missing for auth type acme"),
        ("acme", {"tokn": CANARY}, "no setting of that name; known are token, scheme"),
        ("acme", {"token": ""}, "settings: auth type acme refused them: ValueError"),
        ("acme-any", {}, "settings: auth type acme-any refused them: KeyError"),
        ("acme-gone", {}, "auth type acme-gone cannot be loaded: AttributeError"),
        ("acme-none", {}, "auth type acme-none makes no auth scheme"),
        ("other", {}, "unknown auth type; known are none"),
    ],
)
def test_wrong_settings_are_told_without_values(type: str, settings: Any, why: str) -> None:
    message = refusal(WebhookConfigError, lambda: named(type, **settings))
    assert message is not None
    assert why in message
    assert "canary" not in message


@pytest.mark.usefixtures("acme")
def test_settings_of_ours_are_not_for_it() -> None:
    auth = {"auth_type": "acme", "settings": {"token": CANARY}, "api_key": CANARY}
    message = refusal(WebhookConfigError, lambda: WebhookConfig(url=URL, auth=auth))
    assert message == "auth: api_key is given, but auth_type acme has no use for it"
