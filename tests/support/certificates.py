"""Certificates for both ends, and what their holders see."""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

PASSWORD = "obviously-fake-password"


@dataclass
class Pair:
    """A certificate and its key in PEM."""

    certificate: str
    key: str

    @property
    def encrypted_key(self) -> str:
        return self.encrypted_with(PASSWORD)

    def encrypted_with(self, password: str) -> str:
        key = serialization.load_pem_private_key(self.key.encode(), None)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        ).decode()

    @property
    def pin(self) -> str:
        public = x509.load_pem_x509_certificate(self.certificate.encode()).public_key()
        der = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def pair(ca: trustme.CA, name: str = "client.example") -> Pair:
    leaf = ca.issue_cert(name)
    certificate = b"".join(blob.bytes() for blob in leaf.cert_chain_pems).decode()
    return Pair(certificate, leaf.private_key_pem.bytes().decode())


def pem(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


def server_of(made: Pair, *, clients: trustme.CA | None = None) -> ssl.SSLContext:
    """A server's context with this certificate; with `clients`, it wants one of that authority's."""
    import tempfile

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(made.certificate + made.key)
        file.flush()
        context.load_cert_chain(file.name)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
