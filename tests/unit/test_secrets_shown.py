"""Secrets by reference: those of other packages, and what is seen of any."""

from __future__ import annotations

import copy
import os
import pickle
import pprint
import sys
from pathlib import Path

import pytest

from support.canaries import CANARY, leaks
from support.secrets import NEW, OLD, Time, replace
from vaulytica.config import WebhookAuth
from vaulytica.errors import WebhookConfigError
from vaulytica.integrations.webhook import SecretRef
from vaulytica.secrets import reference

# --- Other packages.

VAULT = """
class Vault:
    secrets = {"path#key": "old-fake-secret"}
    stamp = 0
    error = None

    def get(self, name):
        if self.error is not None:
            raise self.error
        return self.secrets[name]

    def version(self, name):
        return self.stamp
"""


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """Installs a package with a provider of secrets, and gives its class."""
    (tmp_path / "fake_vault.py").write_text(VAULT)
    info = tmp_path / "fake_vault-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-vault\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vaulytica.secrets]\nvault = fake_vault:Vault\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fake_vault", raising=False)
    reference._provider.cache_clear()
    import fake_vault  # type: ignore[import-not-found]

    made: type = fake_vault.Vault
    return made


def test_a_provider_of_another_package(vault: type, clock: Time) -> None:
    secret = SecretRef("vault:path#key")
    assert secret.get_secret_value() == OLD
    vault.secrets = {"path#key": NEW}  # type: ignore[attr-defined]
    clock.now += 2
    assert secret.get_secret_value() == OLD, "it has not said that something changed"
    vault.stamp = 1  # type: ignore[attr-defined]
    clock.now += 2
    assert secret.get_secret_value() == NEW


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyError(CANARY), "vault:path#key is not there"),
        (OSError(f"https://robot:{CANARY}@vault.example.com"), "cannot be read (OSError)"),
        (WebhookConfigError("the vault\nis sealed"), "the vault is sealed"),
    ],
)
def test_what_a_provider_raises_is_told_by_its_kind_only(
    vault: type, error: Exception, why: str
) -> None:
    vault.error = error  # type: ignore[attr-defined]
    with pytest.raises(WebhookConfigError) as caught:
        SecretRef("vault:path#key")
    assert why in str(caught.value)
    assert leaks(repr(caught.value)) == []
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", [None, 5, b"bytes", "", "  "])
def test_what_a_provider_gives_must_be_text(vault: type, value: object) -> None:
    vault.secrets = {"x": value}  # type: ignore[attr-defined]
    with pytest.raises(WebhookConfigError, match="vault:x is empty"):
        SecretRef("vault:x")


# --- Showing, comparing, copying.


def test_it_shows_where_the_secret_is_and_never_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE", CANARY)
    secret = SecretRef("env:FAKE")
    auth = WebhookAuth(auth_type="api_key", api_key=secret)
    for thing in (secret, auth, [secret], {"k": secret}):
        texts = [repr(thing), str(thing), f"{thing}", pprint.pformat(thing), ascii(thing)]
        assert leaks(" ".join(texts)) == []
    assert leaks(auth.model_dump_json() + repr(auth.model_dump())) == []
    assert repr(secret) == "SecretRef('env:FAKE')"
    assert "env:FAKE" in repr(auth)
    with pytest.raises(TypeError, match="secrets"):
        pickle.dumps(secret)


def test_it_is_equal_to_what_refers_to_the_same(tmp_path: Path, clock: Time) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD)
    os.utime(file, (1, 1))
    secret = SecretRef(f"file:{file}")
    assert secret == SecretRef("file:secret", base=file.parent)
    assert secret != SecretRef(f"file:{file.parent}/../{file.parent.name}/secret")
    assert secret != OLD
    known = {secret}
    replace(file, NEW)
    clock.now += 2
    assert secret.get_secret_value() == NEW
    assert secret in known
    assert copy.deepcopy(secret) is secret


def test_a_text_is_the_secret_itself_where_it_is_not_said_to_be_a_reference() -> None:
    """A key may begin with anything."""
    auth = WebhookAuth(auth_type="api_key", api_key="env:FAKE")
    assert auth.revealed("api_key") == "env:FAKE"
