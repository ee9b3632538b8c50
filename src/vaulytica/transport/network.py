"""Network: how a transport reaches the network: through what, trusting whom, and where it may go."""

from __future__ import annotations

from dataclasses import dataclass, field

from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.errors import WebhookConfigError
from vaulytica.transport.egress import EgressPolicy
from vaulytica.transport.tls import Tls

_ANYWHERE = EgressPolicy()
_USUAL = Tls()


@dataclass(frozen=True, slots=True)
class Network(HoldsSecrets):
    """Raises `WebhookConfigError` where the egress policy could not be held.

    `no_proxy` names hosts that are reached without the proxy; None leaves that to the environment, if at all.
    Of a proxy only its own address is seen; so with a policy it must be named as the guard, which sees to
    it where connections lead. The address of such a proxy need not be allowed, but may not be denied.
    """

    verify: bool = True
    proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] | None = None
    trust_env: bool = False
    tls: Tls = _USUAL
    egress: EgressPolicy = _ANYWHERE
    proxy_is_guard: bool = False

    def __post_init__(self) -> None:
        if self.egress.is_any or self.proxy_is_guard:
            return
        given = "proxy" if self.proxy is not None else "trust_env=True"
        if self.proxy is not None or self.trust_env:
            raise WebhookConfigError(
                f"egress: with {given}, a proxy connects in our place, and cannot be held to the policy; "
                "leave it out, or say proxy_is_guard=True if that proxy itself keeps to what is allowed"
            )
