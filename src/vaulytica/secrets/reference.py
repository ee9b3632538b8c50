"""SecretRef: a secret by reference, which keeps up with what it refers to."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, Protocol

from pydantic import SecretStr

from vaulytica.errors import WebhookConfigError, one_line
from vaulytica.latch import Latch
from vaulytica.registry import Table
from vaulytica.secrets.file import absolute

log = logging.getLogger("vaulytica")

LOOK_EVERY = 1.0  # seconds between two looks at whether a secret has changed
_NO_KINDS = (
    "http",
    "https",
)  # to look for other packages takes a while, and most URLs are given as they are
_MOST_TOLD = 300  # characters of a provider's own error

PROVIDERS = Table(
    "kind of secret",
    "vaulytica.secrets",
    {
        "env": "vaulytica.secrets.environment:EnvironmentSecrets",
        "file": "vaulytica.secrets.file:FileSecrets",
    },
)


class SecretProvider(Protocol):
    """Where secrets of one kind are kept. One object of the class, made without arguments, serves all.

    It may also have `version(name) -> Hashable`, quick and at most once a second: whenever that
    changes, the secret is asked for again. Without it, a secret is asked for once.
    """

    def get(self, name: str) -> str:
        """The secret; `LookupError` if there is none. A `WebhookConfigError`'s text is shown to the user."""


def is_reference(text: str) -> bool:
    """Whether the text is `env:…`, `file:…` or of a kind that another package has added."""
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind not in _NO_KINDS and kind in PROVIDERS


class SecretRef(SecretStr):
    """A secret by reference, such as `SecretRef("file:/run/secrets/siem")`, wherever a config takes a secret.

    It is read at once, and `WebhookConfigError` raised if that fails. Where its provider can tell
    that it has changed, it is read again. Relative paths are read from `base`, else from where the
    process is now.
    """

    def __init__(self, reference: str, *, base: Path | None = None) -> None:
        if not isinstance(reference, str) or not is_reference(reference):
            kinds = ", ".join(f"{kind}:…" for kind in PROVIDERS.names())
            raise WebhookConfigError(f"not a reference to a secret, which begins with {kinds}")
        kind, _, name = reference.partition(":")
        if not name.strip():
            raise WebhookConfigError(f"{kind}: names no secret; write what it is called after it")
        if kind == "file":
            name = str(absolute(name, base))
        self.reference = f"{kind}:{name}"
        self._shown = reference
        self._name = name
        self._provider = _provider(kind)
        self._latch = Latch()
        self._seen = self._version()
        self._revision = 0
        self._failing = False
        self._look_at = time.monotonic() + LOOK_EVERY
        super().__init__(self._read())

    def get_secret_value(self) -> str:
        """The secret as it is now; if it cannot be read any more, as it was."""
        self._keep_up()
        return self._secret_value

    def revision(self) -> int:
        """How often the secret has changed; to ask costs little, so ask before every use."""
        self._keep_up()
        return self._revision

    def _keep_up(self) -> None:
        """Look, if it is time to; where another thread is looking already, do not wait for it."""
        if time.monotonic() < self._look_at or not self._latch.take():
            return
        try:
            self._look_at = time.monotonic() + LOOK_EVERY
            seen = self._version()
            if seen != self._seen:
                value = self._read()
                if value != self._secret_value:
                    self._secret_value, self._revision = value, self._revision + 1
                self._seen = seen  # last: a child that is forked halfway looks once more
            self._failing = False
        except WebhookConfigError as error:  # such as between the two steps of a replacement
            if not self._failing:
                log.warning("%s; the secret that was there stays in use", error)
            self._failing = True
        finally:
            self._latch.give()

    def _version(self) -> Hashable:
        version = getattr(self._provider, "version", None)
        return None if version is None else self._asked(version)

    def _read(self) -> str:
        value = self._asked(self._provider.get)
        if not isinstance(value, str) or not value.strip():
            raise WebhookConfigError(f"{self._shown} is empty")
        return value

    def _asked(self, question: Any) -> Any:
        """What the provider answers; of errors that are not meant to be shown, only the type is."""
        try:
            return question(self._name)
        except WebhookConfigError as error:
            why = one_line(str(error))[:_MOST_TOLD]
        except LookupError:
            what = "set" if self.reference.startswith("env:") else "there"
            why = f"{self._shown} is not {what}"
        except Exception as error:  # noqa: BLE001 - a provider is somebody else's program
            why = f"{self._shown} cannot be read ({type(error).__name__})"
        raise WebhookConfigError(why)

    def _display(self) -> str:
        return "**********"

    def __repr__(self) -> str:
        return f"SecretRef({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretRef) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    def __len__(self) -> int:
        return len(self._secret_value)

    def __copy__(self) -> SecretRef:
        return self

    def __deepcopy__(self, memo: object) -> SecretRef:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretRef holds secrets; build it anew in each process")


@cache
def _provider(kind: str) -> Any:
    try:
        return PROVIDERS.load(kind)()
    except Exception as error:  # noqa: BLE001 - see above
        why = (
            f": {error}" if isinstance(error, WebhookConfigError) else f" ({type(error).__name__})"
        )
    raise WebhookConfigError(f"secrets of the kind {kind} cannot be had{why}")
