"""Which destinations an event is for: all who want it, each once, in order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vaulytica.events import Event
from vaulytica.lines import decode
from vaulytica.relay.config import DestinationSettings
from vaulytica.relay.door.match import Match, document_of
from vaulytica.relay.door.router import Router, by_severity


def to(**settings: Any) -> DestinationSettings:
    return DestinationSettings(url="https://a.example", **settings)


def event(id: str, type: str = "t", severity: str = "info", **data: Any) -> Event:
    return Event.create(type, data, severity, id=id)


def where(router: Router, *events: Event) -> dict[str, list[tuple[str, str | None]]]:
    """For each event, the destinations that it goes to, with their keys."""
    found: dict[str, list[tuple[str, str | None]]] = {one.id: [] for one in events}
    for group in router.route(events):
        for position, entry in zip(
            group.positions or range(len(events)), group.entries, strict=True
        ):
            assert events[position] is entry
            found[entry.id] += [(name, group.key) for name in group.destinations]
    return found


def test_without_a_match_all_go_everywhere_and_are_not_looked_at() -> None:
    entries: Any = [object(), object()]
    (group,) = Router({"a": to(), "b": to()}).route(entries)
    assert (group.destinations, group.entries, group.key) == (("a", "b"), entries, None)


def test_by_type_and_severity() -> None:
    router = Router(
        {
            "all": to(),
            "logins": to(match={"types": "login_*"}),
            "bad": to(match={"min_severity": "error"}),
        }
    )
    found = where(
        router,
        event("1", "login_failed"),
        event("2", "login_failed", "critical"),
        event("3", "file_shared", "ERROR"),
        event("4", "file_shared"),
    )
    assert {id: [name for name, _ in names] for id, names in found.items()} == {
        "1": ["all", "logins"],
        "2": ["all", "logins", "bad"],
        "3": ["all", "bad"],
        "4": ["all"],
    }


def test_those_that_nobody_wants_are_in_no_group() -> None:
    router = Router({"a": to(match={"types": ["x"]}), "b": to(match={"where": "data.n > `3`"})})
    found = where(router, event("1", n=9), event("2", n=1), event("3", "x", n=0))
    assert found == {"1": [("b", None)], "2": [], "3": [("a", None)]}
    assert Router({"a": to(match={"types": "x"})}).route([event("1"), event("2")]) == []


def test_lines_are_routed_by_their_data_too() -> None:
    lines, _ = decode(b'{"type":"t","data":{"n":4}}\n{"type":"t","data":{"n":2}}\n', 0)
    (group,) = Router({"b": to(match={"where": "data.n > `3`"})}).route(lines)
    assert group.positions == [0]


def test_order_by_gives_each_value_a_key_and_leaves_others_free() -> None:
    router = Router({"free": to(), "kept": to(order_by="data.user"), "whole": to(ordered=True)})
    found = where(router, event("1", user="x"), event("2", user=7), event("3"))
    assert {id: dict(ways) for id, ways in found.items()} == {
        "1": {"free": None, "kept": '"x"', "whole": ""},
        "2": {"free": None, "kept": "7", "whole": ""},
        "3": {"free": None, "kept": None, "whole": ""},
    }
    (key,) = {key for name, key in where(router, event("4", user="x" * 500))["4"] if name == "kept"}
    assert key is not None
    assert len(key) == 64


TYPES = st.sampled_from(["login_failed", "login_ok", "file_shared"])
SEVERITIES = st.sampled_from(["debug", "info", "error", "critical"])
MATCHES = st.none() | st.builds(
    lambda types, least, where: {"types": types, "min_severity": least, "where": where},
    st.lists(st.sampled_from(["login_*", "file_shared", "*"]), max_size=2),
    SEVERITIES,
    st.none() | st.sampled_from(["data.n > `5`", "data.user == 'x'"]),
)
ORDERS = st.sampled_from([{}, {"order_by": "data.user"}, {"ordered": True}])


@given(
    st.lists(st.tuples(MATCHES, ORDERS), min_size=1, max_size=4),
    st.lists(st.tuples(TYPES, SEVERITIES, st.integers(0, 9), st.sampled_from("xy")), max_size=20),
)
def test_law_each_destination_gets_what_it_wants_once_and_in_order(destinations, given_events):
    settings = {f"d{n}": to(match=match, **order) for n, (match, order) in enumerate(destinations)}
    events = [
        event(str(n), type, severity, n=number, user=user)
        for n, (type, severity, number, user) in enumerate(given_events)
    ]
    router = Router(settings)
    for _ in range(2):  # the second time from what it remembers
        groups = router.route(events) if events else []
        for name, one in settings.items():
            match = one.match
            wanted = events
            if match is not None:
                rule = Match(match.types, match.min_severity, match.where)
                wanted = [
                    e
                    for e in events
                    if rule.may_want(e.type, e.severity)
                    and (rule.where is None or rule.fits(document_of(e)))
                ]
            got = [group for group in groups if name in group.destinations]
            assert sorted((e.id for g in got for e in g.entries), key=int) == [e.id for e in wanted]
            for group in got:
                ids = [int(e.id) for e in group.entries]
                assert ids == sorted(ids)
                assert (group.key is not None) == one.is_ordered


def test_parts_of_one_severity_are_all_of_it_in_order() -> None:
    events = [event(str(n), severity=("info", "error")[n % 2], user="x") for n in range(5)]
    (plain,) = Router({"a": to()}).route(events)
    info, error = by_severity(plain)
    assert [one.id for one in info.entries] == ["0", "2", "4"]
    assert [one.id for one in error.entries] == ["1", "3"]
    assert (info.positions, error.positions) == ([0, 2, 4], [1, 3])
    router = Router({"a": to(match={"where": "id != '1'"}), "k": to(order_by="data.user")})
    found = [part for group in router.route(events) for part in by_severity(group)]
    positions = {(part.destinations, part.key): [] for part in found}
    for part in found:
        positions[part.destinations, part.key].append(part.positions)
    assert positions == {
        (("a",), None): [[0, 2, 4], [3]],
        (("k",), '"x"'): [[0, 1, 2, 3, 4]],
    }
