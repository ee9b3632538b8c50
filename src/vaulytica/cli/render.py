"""`vaulytica render`: the requests that would be sent, by the very code that sends them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import typer

from vaulytica.cli.options.destination import DestinationOptions
from vaulytica.cli.options.groups import grouped
from vaulytica.cli.output.printing import (
    MASK,
    json_line,
    line,
    masked_headers,
    masked_target,
    pretty_body,
)
from vaulytica.errors import WebhookEventError

if TYPE_CHECKING:
    from vaulytica.delivery.destination import Destination
    from vaulytica.delivery.request import Header, Request

_PLACE = "https://destination.example/events"  # when no URL is given
# What every request is answered with here: an OAuth2 scheme takes it for its token, and goes on.
_TOKEN = b'{"access_token": "***", "token_type": "bearer", "expires_in": 3600}'


@grouped
def render(
    *,
    destination: DestinationOptions,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE|-]", help="else an example event")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=EXPR", help="Take a field by JMESPath, as in send."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The body's bytes, as they are sent.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each request.")] = False,
) -> int:
    """Show the request for FILE's first event; send nothing."""
    from vaulytica.cli.input.mapping import make_mapping
    from vaulytica.config import WebhookRetryConfig
    from vaulytica.delivery.request import Response
    from vaulytica.sender import WebhookSender
    from vaulytica.transport.memory import MemoryTransport

    config = destination.webhook_config(default_url=_PLACE)
    config = config.model_copy(update={"retry_config": WebhookRetryConfig(max_retries=0)})
    event = _first_event(file, make_mapping(map))
    transport = MemoryTransport([Response(200, body=_TOKEN)])
    with WebhookSender(config, transport=transport) as sender:
        (result,) = sender.send_batch([event]).results
        if not transport.requests and result.reason is not None:
            raise WebhookEventError(result.reason.text)
        for request in transport.requests:
            _show(request, sender.destination, raw=raw, as_json=json)
    return 0


def _first_event(file: str | None, mapping: Any) -> Any:
    from vaulytica.cli.examples import example_file
    from vaulytica.cli.input.read_ahead import open_inputs
    from vaulytica.cli.input.reading import chunks

    with ExitStack() as stack:
        inputs = [("the example", example_file())] if file is None else open_inputs([file], stack)
        chunk = next(chunks(inputs, mapping), None)
    if chunk is None:
        raise WebhookEventError(f"{file} holds no events")
    first = chunk.entries[0]
    if isinstance(first, WebhookEventError):
        line = chunk.first_line if chunk.lines is None else chunk.lines[0]
        raise WebhookEventError(f"{chunk.file}, line {line}: {first}")
    return first


def _show(request: Request, destination: Destination, *, raw: bool, as_json: bool) -> None:
    is_event = request.url.partition("?")[0] == destination.url.partition("?")[0]
    names = destination.auth.header_names if is_event else ()
    body = request.body if is_event else _masked_form(request.body)
    target, shown = masked_target(request.url), masked_headers(_on_the_wire(request), names)
    if as_json:
        text = body.decode("utf-8", "replace")
        json_line({"method": "POST", "target": target, "headers": shown, "body": text})
        return
    line(f"POST {target} HTTP/1.1")
    for name, value in shown:
        line(f"{name}: {value}")
    line()
    if raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(body + b"\n")
        sys.stdout.buffer.flush()
    else:
        line(pretty_body(body))
    line()


def _on_the_wire(request: Request) -> list[Header]:
    """The headers with those that libcurl adds, in the order it writes them."""
    given = {name.lower(): value for name, value in request.headers}
    headers = [("Host", given.get("host") or _host(request.url))]
    if "accept" not in given:
        headers.append(("Accept", "*/*"))
    headers += [header for header in request.headers if header[0].lower() != "host"]
    return [*headers, ("Content-Length", str(len(request.body)))]


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.lower()
    return host.removesuffix(f":{80 if parts.scheme == 'http' else 443}")


def _masked_form(body: bytes) -> bytes:
    """A token request's form, its secret masked."""
    form = parse_qsl(body.decode("ascii"))
    shown = [(name, MASK if name == "client_secret" else value) for name, value in form]
    return urlencode(shown, safe="*").encode("ascii")
