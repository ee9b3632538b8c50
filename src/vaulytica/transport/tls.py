"""TLS settings of a transport: whom to trust, who we are, and how to notice that the files have changed."""

from __future__ import annotations

import base64
import binascii
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

import msgspec

from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.errors import WebhookConfigError
from vaulytica.latch import Latch

log = logging.getLogger("vaulytica")

LOOK_EVERY = 1.0  # seconds between two looks at whether the certificates have changed
_PIN = "sha256//"
_NEITHER = "or the password is not the key's"


class Material(msgspec.Struct, frozen=True):
    """PEM: the authorities trusted in place of the public ones; our certificate, its key and password."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return "Material(***)"


class Tls(HoldsSecrets):
    """`read` gives the material as it is now. Wrong settings raise `WebhookConfigError`.

    `pins` and `server_name` are for one place only, `origin`; everything else is for every connection.
    """

    def __init__(
        self,
        read: Callable[[], Material] = Material,
        *,
        reloads: bool = False,
        min_version: str = "1.2",
        pins: Iterable[str] = (),
        server_name: str | None = None,
        origin: str = "",
    ) -> None:
        self.min_version = min_version
        self.pins = ";".join(checked_pins(pins))
        self.server_name = server_name
        self.origin = origin
        self._read, self._reloads = read, reloads
        self._material = checked(read())
        self._refused: Material | str | None = None
        self._look_at = time.monotonic() + LOOK_EVERY
        self._latch = Latch()

    def is_pinned(self, url: str) -> bool:
        """Whether `pins` and `server_name`, if any, are for this URL."""
        return url.startswith(f"{self.origin}/")

    @property
    def is_for_one_place(self) -> bool:
        """Whether connections to `origin` differ from those to elsewhere."""
        return bool(self.pins or self.server_name)

    def current(self) -> Material:
        """The material to use for new connections: the very same object until it has changed.

        What cannot be read, or does not fit together, leaves the old in use, with a warning.
        """
        if not self._reloads or time.monotonic() < self._look_at:
            return self._material
        if self._latch.take():
            try:
                self._look_at = time.monotonic() + LOOK_EVERY
                self._reload()
            finally:
                self._latch.give()
        return self._material

    def _reload(self) -> None:
        new: Material | str = ""
        try:
            new = self._read()
            if new in (self._material, self._refused):
                return
            self._material, self._refused = checked(new), None
        except WebhookConfigError as error:  # such as between the two files of a replacement
            if new == "":
                new = str(error)
            if new != self._refused:
                log.warning("%s; the certificates that were there stay in use", error)
            self._refused = new


def checked_pins(pins: Iterable[str]) -> list[str]:
    """SHA-256 of public keys, as `sha256//` and Base64; at least two, so that a key can be replaced."""
    found = list(dict.fromkeys(pins))
    for position, pin in enumerate(found):
        digest = b""
        with suppress(binascii.Error, ValueError):
            digest = base64.b64decode(pin.removeprefix(_PIN), validate=True)
        if not pin.startswith(_PIN) or len(digest) != 32:
            raise WebhookConfigError(f"tls.pins[{position}] is not sha256// and 32 bytes in Base64")
    if len(found) == 1:
        raise WebhookConfigError(
            "tls.pins has one pin; give the backup key's as well, or its replacement locks you out"
        )
    return found


def checked(material: Material) -> Material:
    """The material, if it is some and fits together; else `WebhookConfigError`."""
    if material.ca is not None:
        _refuse_what_is_no_authority(material.ca)
    if material.certificate is None:
        if material.key is not None:
            raise WebhookConfigError("tls.client_key is given, but tls.client_cert is missing")
        return material
    if b"-----BEGIN CERTIFICATE-----" not in material.certificate:
        raise WebhookConfigError("tls.client_cert holds no certificate in PEM")
    _refuse_a_pair_that_does_not_fit(material)
    return material


def _refuse_what_is_no_authority(pem: bytes) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):  # the latter for an empty text
        raise WebhookConfigError("tls.ca holds no certificates in PEM") from None


def _refuse_a_pair_that_does_not_fit(material: Material) -> None:
    """Python's ssl reads files only: files in memory, where there are any (Linux)."""
    import ssl

    if not hasattr(os, "memfd_create"):
        return
    with ExitStack() as stack:
        paths = []
        for content in (material.certificate, material.key or material.certificate):
            descriptor = os.memfd_create("vaulytica", os.MFD_CLOEXEC)
            stack.callback(os.close, descriptor)
            os.write(descriptor, content or b"")
            paths.append(f"/proc/self/fd/{descriptor}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        certificate, key = paths
        try:
            # Given no password, it would ask on the terminal.
            context.load_cert_chain(certificate, key, lambda: material.password or "")
        except ssl.SSLError as error:
            why = "cannot be read, " + _NEITHER
            if error.reason == "KEY_VALUES_MISMATCH":
                why = "is not that of tls.client_cert"
            elif material.key is None:
                why = "is missing: tls.client_cert holds none, " + _NEITHER
            raise WebhookConfigError(f"tls.client_key {why}") from None
        except OSError:  # no /proc
            return
