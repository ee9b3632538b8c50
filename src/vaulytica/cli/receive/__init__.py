"""`vaulytica receive`: a local receiver for trying things, which can misbehave on purpose."""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vaulytica.cli.credentials.references import file_of, secret
from vaulytica.cli.output.out_file import OutFile, out_file
from vaulytica.cli.output.printing import (
    error_line,
    json_line,
    line,
    masked_headers,
    masked_target,
    pretty_body,
)
from vaulytica.cli.receive.counterpart import Counterpart, note_lines
from vaulytica.errors import WebhookConfigError, WebhookError

if TYPE_CHECKING:
    from vaulytica.receiving.destinations.strict import Note
    from vaulytica.receiving.receiver import Misbehaviour, Received, Receiver

_VERDICTS = {None: "", True: "  ✓ signature verified", False: "  ✗ signature wrong or missing: "}


def receive(
    *,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8765",
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Be as strict as a real one: splunk_hec, elastic or datadog_logs.",
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option(metavar="R", help="With --as: the one credential to let in.")
    ] = None,
    hmac_secret: Annotated[
        list[str] | None,
        typer.Option(metavar="R", help="Verify signatures with this key; may be repeated."),
    ] = None,
    hmac_header: Annotated[str, typer.Option(metavar="H")] = "X-Signature",
    scheme: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="How they are signed: hmac_sha256, standard_webhooks, github, stripe, slack.",
        ),
    ] = "hmac_sha256",
    status: Annotated[int, typer.Option(min=200, max=599, help="What to answer.")] = 200,
    fail: Annotated[
        str | None,
        typer.Option(metavar="RATE:STATUS", help="Fail some requests: 0.3:503 is 30 percent."),
    ] = None,
    delay: Annotated[float, typer.Option(min=0, max=3600, help="Seconds before an answer.")] = 0.0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append each request as a JSON line.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Receive requests and show them, until Ctrl-C."""
    host, port = _address(listen)
    settings: dict[str, Any] = {"host": host, "port": port, "status": status, "delay": delay}
    settings |= {"fail": _misbehaviour(fail), "hmac_header": hmac_header}
    if hmac_secret:
        settings["hmac_secret"] = [
            secret(given, "--hmac-secret").get_secret_value() for given in hmac_secret
        ]
        settings["scheme"] = scheme
    elif scheme != "hmac_sha256":
        raise WebhookConfigError("--scheme is for --hmac-secret: give the key to verify with")
    counterpart = _counterpart(as_, token)
    if counterpart is not None:
        settings["respond"] = counterpart.respond
    with ExitStack() as stack:
        read = [path for given in (*(hmac_secret or ()), token) for path in file_of(given)]
        show = _Shown(counterpart, as_json=json, out=out_file(out, "a", stack, read))
        receiver = stack.enter_context(_listening(on_request=show.request, keep=0, **settings))
        with suppress(KeyboardInterrupt):  # from the moment on at which it is said
            error_line(f"listening on {receiver.url} (Ctrl-C stops)")
            # Not for ever: a signal that comes just before a thread begins to wait does not wake it.
            while not show.broken.wait(0.5):
                pass
    show.summary(receiver.counts)
    if show.error is not None:
        raise show.error
    return 0


def _counterpart(name: str | None, token: str | None) -> Counterpart | None:
    if name is None:
        if token is not None:
            raise WebhookConfigError("--token is for --as: name what to receive as")
        return None
    return Counterpart(name, None if token is None else secret(token, "--token").get_secret_value())


def _listening(**settings: Any) -> Receiver:
    from vaulytica.receiving.receiver import Receiver

    try:
        return Receiver(**settings)
    except OSError as error:
        where = f"{settings['host']}:{settings['port']}"
        raise WebhookConfigError(f"cannot listen on {where}: {error.strerror}") from None


class _Shown:
    """Prints each request as it comes, and keeps count of signatures and events."""

    def __init__(
        self, counterpart: Counterpart | None, *, as_json: bool, out: OutFile | None
    ) -> None:
        self.counterpart, self.as_json, self.out = counterpart, as_json, out
        self.verdicts: Counter[bool | None] = Counter()
        self.broken = threading.Event()  # nothing can be shown or written any more
        self.error: OSError | WebhookError | None = None

    def request(self, received: Received) -> None:
        """Called by the receiver, for one request at a time."""
        self.verdicts[received.verified] += 1
        try:
            notes = [] if self.counterpart is None else self.counterpart.notes()
            record = _record(received, notes)
            if self.out is not None:
                self.out.write(record)
                self.out.flush()
            if self.as_json:
                json_line(record)
            else:
                _pretty(received, notes)
        except (OSError, WebhookError) as error:
            self.error = self.error or error
            self.broken.set()

    def summary(self, counts: Counter[int]) -> None:
        """What there was in all."""
        total = counts.total()
        good, wrong = self.verdicts[True], self.verdicts[False]
        events = f"; {self.counterpart.summary()}" if self.counterpart is not None else ""
        if self.as_json:
            error_line(f"{total} requests{events}")
            return
        answers = ", ".join(f"{counts[status]} answered {status}" for status in sorted(counts))
        signatures = f"; signatures: {good} verified, {wrong} wrong or missing"
        signed = signatures if good or wrong else ""
        line(f"{total} requests{': ' if answers else ''}{answers}{signed}{events}")


def _record(received: Received, notes: list[Note]) -> dict[str, Any]:
    """The request as JSON: credentials masked, the body as text or, where it is none, in base64."""
    record: dict[str, Any] = {
        "time": received.time,
        "method": received.method,
        "path": masked_target(received.path),
        "headers": masked_headers(received.headers),
        "verified": received.verified,
        "status": received.status,
    }
    if notes:
        record["events"] = [{"what": n.what, "event": n.event, "why": n.why} for n in notes]
    try:
        return record | {"body": received.body.decode("utf-8")}
    except UnicodeDecodeError:
        return record | {"body_base64": base64.b64encode(received.body).decode("ascii")}


def _pretty(received: Received, notes: list[Note]) -> None:
    moment = time.strftime("%H:%M:%S", time.localtime(received.time))
    verdict = f"{_VERDICTS[received.verified]}{received.unverified}"
    target = masked_target(received.path)
    line(f"{moment}  {received.method} {target}  → {received.status}{verdict}")
    for name, value in masked_headers(received.headers):
        line(f"  {name}: {value}")
    for text in note_lines(notes) if notes else pretty_body(received.body).splitlines():
        line(f"  {text}")
    line()


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise WebhookConfigError("--listen is HOST:PORT, such as 127.0.0.1:8765")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _misbehaviour(fail: str | None) -> Misbehaviour:
    from vaulytica.receiving.receiver import Misbehaviour

    if fail is None:
        return Misbehaviour()
    rate, _, status = fail.partition(":")
    try:
        wanted = Misbehaviour(rate=float(rate), status=int(status or 503))
    except ValueError:
        wanted = Misbehaviour(rate=-1)
    if not 0 <= wanted.rate <= 1 or not 200 <= wanted.status <= 599:
        raise WebhookConfigError("--fail is RATE:STATUS, such as 0.3:503, RATE from 0 to 1")
    return wanted
