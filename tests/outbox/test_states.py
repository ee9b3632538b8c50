"""The table of states, and the page that draws it."""

from __future__ import annotations

import re

from support.docs.pages import ROOT, Page
from vaulytica.outbox.states import PENDING, TRANSITIONS, State, Step, sources


def test_the_page_draws_the_table() -> None:
    page = Page(ROOT / "docs/OUTBOX.md")
    (diagram,) = [block.text for block in page.blocks if block.language == "mermaid"]
    drawn = set(re.findall(r"^ +(\S+) --> (\S+) : (.+)$", diagram, re.MULTILINE))

    def shown(state: State | None) -> str:
        return "[*]" if state is None else state.value

    assert drawn == {(shown(a), shown(b), step.value) for (a, step), b in TRANSITIONS.items()}


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == {*State, None}
    assert {state for state, _ in TRANSITIONS} == {*State, None}


def test_what_is_pending_ends_delivered_dead_or_dropped() -> None:
    ends = {to for (state, _), to in TRANSITIONS.items() if state in PENDING} - set(PENDING)
    assert ends == {State.DELIVERED, State.DEAD, None}
    assert set(sources(Step.DROP)) < set(PENDING)


def test_only_a_claim_leads_to_delivered() -> None:
    assert sources(Step.ACK) == (State.CLAIMED,)
    assert [s for (s, _), to in TRANSITIONS.items() if to is State.DELIVERED] == [State.CLAIMED]
