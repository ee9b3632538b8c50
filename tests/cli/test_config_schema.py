"""The schema takes what the program takes, refuses what people get wrong most, and has a sentence on everything."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from support.configs import CONFIGS
from vaulytica.cli.config_files.relay import checked_relay
from vaulytica.cli.config_files.schema import config_schema
from vaulytica.cli.config_files.stand_ins import stand_in
from vaulytica.config import WebhookAuth
from vaulytica.config.auth import AUTH_NEEDS, AUTH_SETTINGS
from vaulytica.config.settings import secret_fields
from vaulytica.errors import WebhookConfigError

SCHEMA = config_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def refusals(text: str) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


@pytest.fixture
def is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "obviously-fake")
    (tmp_path / "ca.pem").write_text("")

    def check(text: str) -> bool:
        path = tmp_path / "c.yaml"
        path.write_text(text)
        return checked_relay(path, elsewhere=True)[0] is not None

    return check


def test_the_command_prints_it(vaulytica):
    done = vaulytica("config", "schema")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == json.loads(json.dumps(SCHEMA))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(config=CONFIGS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_taken_fits_the_schema(config, is_taken):
    text = yaml.safe_dump(config).replace("HERE", "/tmp/here").replace("TAKEN", "1")
    if is_taken(text):
        assert refusals(text) == []


HEAD = "outbox: sqlite:///o.db\n"
A = "destinations: {a: {url: https://a.example}}"
TAKEN = [
    "intake: {stdin: true}",
    "intake: {stdin: false}",
    "intake: {stdin: {as: text, severity: WARNING}}",
    "intake: {socket: /run/s}",
    "intake: {socket: {path: /run/s, mode: '0600'}}",
    "intake: {tokens: [env:SECRET, file:/etc/token]}",
    "intake:",
    "intake: {limits: }",
    "retention: {size: 1GiB}\nfull: {size: 1000000}\nmetrics:",
    "$schema: https://example.com/vaulytica.json",
    "drain: 0",
]
TAKEN_OF_A = [
    "format: JSON",
    "format: elasticsearch",
    "auth: {auth_type: Bearer, bearer_token: env:SECRET}",
    "auth: {auth_type: , api_key: env:SECRET}",
    "auth: {auth_type: api_key, api_key: env:SECRET, username: }",
    "auth: {auth_type: stripe, hmac_secret: [env:SECRET, file:old]}",
    "auth: {auth_headers: {X-A: '{one}'}, auth_secrets: {one: env:SECRET}}",
    "auth:\n    headers:\n    retry_config:\n    batch:\n    rate_limit:\n    tls:\n    format_options:",
    "headers: {X-Token: env:SECRET, idempotency-KEY: b}\n    idempotency_key_header: false",
    "tls: {min_version: 1.3}",
    "tls: {ca: ca.pem, client_cert: c.pem, client_key: file:c.key, client_key_password: env:P}",
    "egress: public-only",
    "egress: {allow: public, deny: 10.0.0.0/8}",
    "match: {types: login_*, min_severity: Error}",
    "match:",
    "order_by: data.user\n    ordered: false",
    "format: custom\n    custom_template: {a: {b: ['{{ event_type }}']}}",
    "format: custom\n    custom_template: '{}'",
    "proxy: env:PROXY",
]


@pytest.mark.parametrize("text", [f"{HEAD}{A}\n{text}" for text in TAKEN])
def test_a_section_that_is_right(is_taken, text):
    assert is_taken(text)
    assert refusals(text) == []


@pytest.mark.parametrize("text", TAKEN_OF_A)
def test_a_destination_that_is_right(is_taken, text):
    whole = f"{HEAD}destinations:\n  a:\n    url: https://a.example\n    {text}"
    assert is_taken(whole)
    assert refusals(whole) == []


def test_destinations_by_references_and_by_sites(is_taken, monkeypatch):
    monkeypatch.setenv("URL", "https://a.example")
    for a in ("{url: 'env:URL'}", "{format: datadog_logs, format_options: {site: EU1}, auth: {auth_type: api_key, api_key: 'env:SECRET', api_key_header: DD-API-KEY}}"):  # fmt: skip
        text = f"{HEAD}destinations: {{a: {a}}}"
        assert is_taken(text), a
        assert refusals(text) == []


WRONG = [
    (A, "$"),
    (f"outbox: /var/lib/o.db\n{A}", "$.outbox"),
    (f"outbox: sqlite://o.db\n{A}", "$.outbox"),
    (f"outbox: sqlite:////o.db\n{A}", "$.outbox"),
    (f"outbox: redis://localhost\n{A}", "$.outbox"),
    (HEAD, "$"),
    (f"{HEAD}destinations: {{}}", "$.destinations"),
    (f"{HEAD}destinations: {{'a b': {{url: https://a.example}}}}", "$.destinations"),
    (f"{HEAD}destination: {{}}\n{A}", "$"),
    (f"{HEAD}{A}\nintake: {{listen: '8780'}}", "$.intake.listen"),
    (f"{HEAD}{A}\nintake: {{listen: 8780}}", "$.intake.listen"),
    (f"{HEAD}{A}\nintake: {{tokens: [obviously-fake]}}", "$.intake.tokens[0]"),
    (f"{HEAD}{A}\nintake: {{tokens: env:SECRET}}", "$.intake.tokens"),
    (f"{HEAD}{A}\nintake: {{socket: {{path: /s, mode: 0600}}}}", "$.intake.socket.mode"),
    (f"{HEAD}{A}\nintake: {{tail: [{{path: app.log}}]}}", "$.intake.tail[0].path"),
    (f"{HEAD}{A}\nintake: {{tail: {{path: /app.log}}}}", "$.intake.tail"),
    (f"{HEAD}{A}\nintake: {{stdin: {{as: lines}}}}", "$.intake.stdin.as"),
    (f"{HEAD}{A}\nfull: {{then: explode}}", "$.full.then"),
    (f"{HEAD}{A}\nretention: {{days: '7'}}", "$.retention.days"),
    (f"{HEAD}{A}\ndrain: '10'", "$.drain"),
]  # fmt: skip
WRONG_OF_A = [
    ("formt: json", ""),
    ("format: xml", ".format"),
    ("format: structured", ".format"),
    ("timeout: '30'", ".timeout"),
    ("timeout: 0", ".timeout"),
    ("verify_ssl: 'no'", ".verify_ssl"),
    ("ordered: true\n    order_by: data.user", ""),
    ("compression: gz", ".compression"),
    ("auth: api_key", ".auth"),
    ("auth: {auth_type: apikey}", ".auth.auth_type"),
    ("auth: {auth_type: api_key}", ".auth"),
    ("auth: {auth_type: api_key, api_key: obviously-fake}", ".auth.api_key"),
    ("auth: {auth_type: api_key, api_key: 12345}", ".auth.api_key"),
    ("auth: {auth_type: BEARER, bearer_token: env:SECRET, api_key: env:SECRET}", ".auth.api_key"),
    ("auth: {auth_type: basic, username: u}", ".auth"),
    ("auth: {api_kye: env:SECRET}", ".auth"),
    ("headers: {X-Rate: 5}", ".headers['X-Rate']"),
    ("headers: {Authorization: Bearer obviously-fake}", ".headers.Authorization"),
    ("retry_config: {max_retries: -1}", ".retry_config.max_retries"),
    ("retry_config: {max_retry: 1}", ".retry_config"),
    ("batch: {as: xml}", ".batch.as"),
    ("match: {min_severity: high}", ".match.min_severity"),
    ("match: {types: 5}", ".match.types"),
    ("tls: {min_version: 1.1}", ".tls.min_version"),
    ("egress: private", ".egress"),
    ("concurrency: 0", ".concurrency"),
]


@pytest.mark.parametrize(("text", "path"), WRONG)
def test_a_section_that_is_wrong(is_taken, text, path):
    assert not is_taken(text)
    assert any(refused.startswith(path) or path.startswith(refused) for refused in refusals(text))


@pytest.mark.parametrize(("text", "path"), WRONG_OF_A)
def test_a_destination_that_is_wrong(is_taken, text, path):
    whole = f"{HEAD}destinations:\n  a:\n    url: https://a.example\n    {text}"
    assert not is_taken(whole)
    found = [one for one in refusals(whole) if one.startswith("$.destinations.a")]
    # Of settings that may be this or that, the schema's error stands at what they are in.
    inner = f"$.destinations.a{path}"
    assert any(inner.startswith(one) for one in found), found


def test_a_destination_without_a_url(is_taken):
    for a in ("{}", "{format: json}", "{format: datadog_logs, format_options: {}}"):
        text = f"{HEAD}destinations: {{a: {a}}}"
        assert not is_taken(text)
        assert refusals(text)


def test_every_setting_has_a_sentence_of_its_own():
    seen: dict[str, str] = {}
    for name, model in [("RelayConfig", SCHEMA), *SCHEMA["$defs"].items()]:
        for setting, its in model["properties"].items():
            says = its["description"]
            assert says.endswith("."), (name, setting)
            assert says.count(". ") <= 1, (name, setting)
            assert its["title"], (name, setting)
            if "Line" not in name and setting not in ("as", "type", "severity", "source"):
                assert seen.setdefault(says, setting) == setting
    assert len(seen) > 90


def test_defaults_are_shown_as_they_are():
    def of(model: str, setting: str) -> Any:
        return SCHEMA["$defs"][model]["properties"][setting]["default"]

    assert of("RelayRetryConfig", "max_retries") == 16
    assert of("DestinationSettings", "patience") == 7 * 86400
    assert of("DestinationSettings", "format") == "json"
    assert of("LineSettings", "severity") == "info"
    assert SCHEMA["properties"]["drain"]["default"] == 10


@pytest.mark.parametrize("type", sorted(set(AUTH_SETTINGS) - {"oauth2"}))
def test_what_a_type_needs_is_what_its_scheme_needs(type):
    secrets = secret_fields(WebhookAuth)
    values = {
        name: stand_in(name, "") if name in secrets else "standin" for name in AUTH_NEEDS[type]
    }
    if type == "headers":
        values = {"auth_headers": {"X-A": "a"}}
    WebhookAuth(auth_type=type, **values)
    for name in values:
        with pytest.raises(WebhookConfigError):
            WebhookAuth(auth_type=type, **{one: values[one] for one in values if one != name})
