"""Configs of relays, drawn at random: some right, most wrong in some way. HERE is a folder, TAKEN a port in use."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st


def maybe(**settings: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=settings)


LISTEN = st.sampled_from(
    [
        *("127.0.0.1:0", "localhost:0", ":0", "0.0.0.0:0", "127.0.0.1:TAKEN", "0.0.0.0:TAKEN"),
        *("127.0.0.1:99999", "nowhere", "192.0.2.1:0", "[::ffff:g]:0", 80, None, "127.0.0.1 :0"),
    ]
)
SECRET = st.sampled_from(["env:SECRET", "env:SECRET", "env:NOT_SET_AT_ALL", "obviously-fake", 7])
SIZE = st.sampled_from([1024, "1GiB", "10 MB", "0", -1, "many", 1.5])
FLAG = st.sampled_from([True, False, "yes", 1, None])
LINES = {"as": st.sampled_from(["events", "json", "text", "lines"]), "severity": st.just("INFO")}
INTAKE = maybe(
    listen=LISTEN,
    tokens=st.lists(SECRET, max_size=2) | SECRET,
    anonymous=FLAG,
    socket=st.sampled_from(["HERE/s", "HERE/nowhere/s", "HERE/relay.yaml", {"path": "HERE/s"}])
    | maybe(path=st.just("HERE/s"), mode=st.sampled_from(["0600", 384, "0o600"])),
    tail=st.lists(maybe(path=st.sampled_from(["HERE/*.log", "x.log"]), **LINES), max_size=2),
    limits=maybe(body=SIZE, events=st.sampled_from([1, 0, "5"]), bodi=SIZE) | st.none(),
)
AUTH = maybe(
    auth_type=st.sampled_from(["api_key", "bearer", "hmac_sha256", "none", "apikey", "", None]),
    api_key=SECRET,
    bearer_token=SECRET,
    username=st.just("u"),
)
DESTINATION = maybe(
    url=st.sampled_from(["https://127.0.0.1:1/a", "http://127.0.0.1:1", "ftp://x", "", 5]),
    format=st.sampled_from(["json", "SPLUNK", "ecs", "custom", "xml"]),
    format_options=st.sampled_from([{}, {"index": "main"}, {"x": 1}, [], None]),
    auth=AUTH | st.none() | st.just("api_key"),
    headers=st.dictionaries(
        st.sampled_from(["X-A", "X-Key", "Content-Length"]), SECRET, max_size=2
    ),
    retry_config=maybe(max_retries=st.sampled_from([0, 5, -1, "3", True]), jitter=FLAG),
    batch=maybe(
        max_events=st.sampled_from([1, 10, 0]), **{"as": st.sampled_from(["array", "xml"])}
    ),
    match=maybe(types=st.sampled_from(["*", ["a"], 5]), min_severity=st.sampled_from(["Error", 5]))
    | maybe(where=st.sampled_from(["data.a", "a b"]), typs=st.just("x")),
    ordered=FLAG,
    order_by=st.sampled_from(["data.user", "(", None]),
    compression=st.sampled_from(["none", "gzip", "gz"]),
    tls=st.sampled_from([{}, {"ca": "nowhere.pem"}, {"min_version": 1.3}, None]),
    timeout=st.sampled_from([5, 0, ".5", 1e400]),
    egress=st.sampled_from(["any", "public-only", {}, {"deny": "10.0.0.0/8"}, {"alow": []}]),
)
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "intake": INTAKE | st.none(),
        "metrics": maybe(listen=LISTEN),
        "retention": maybe(days=st.sampled_from([1, 0.5, 0, "7"]), size=SIZE),
        "full": maybe(size=SIZE, then=st.sampled_from(["refuse", "drop", "explode"])),
        "drain": st.sampled_from([0, 1, -1, "10"]),
        "strange": st.just(1),
    },
)
WHOLE = st.fixed_dictionaries(
    {
        "outbox": st.sampled_from(
            ["sqlite://HERE/o.db"] * 5 + ["sqlite://o.db", "sqlite://HERE/no/o.db", "pg://x", None]
        ),
        "destinations": st.dictionaries(
            st.sampled_from(["a", "b.c", "d e", 1]), DESTINATION, max_size=3
        ),
    }
)
# As most of what is drawn is wrong, these are right but for one thing at most.
RIGHT = {
    "outbox": "sqlite://HERE/o.db",
    "intake": {"listen": "127.0.0.1:0", "tokens": ["env:SECRET"]},
    "destinations": {"a": {"url": "https://127.0.0.1:1/a", "auth": {"api_key": "env:SECRET"}}},
}
NEARLY_RIGHT = st.one_of(
    CONFIG.map(lambda more: RIGHT | dict(itertools.islice(more.items(), 1))),
    DESTINATION.map(
        lambda more: (
            RIGHT
            | {
                "destinations": {
                    "a": {"url": "https://127.0.0.1:1", **dict(list(more.items())[:1])}
                }
            }
        )
    ),
    st.just(RIGHT),
)
CONFIGS = NEARLY_RIGHT | st.tuples(CONFIG, WHOLE).map(lambda both: both[0] | both[1])
