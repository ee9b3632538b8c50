"""The states of a delivery, and what moves it from one to the next. Pure data: docs/OUTBOX.md draws it."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands. All but the last two are pending: it is still to be delivered."""

    FRESH = "fresh"  # never tried
    HELD = "held"  # behind an earlier one of the same key
    CLAIMED = "claimed"  # a worker has it, until its lease ends
    DEFERRED = "deferred"  # tried, and to be tried again when it is due
    DELIVERED = "delivered"  # the destination has taken it; kept for looking back
    DEAD = "dead"  # given up on; it can be replayed


PENDING = (State.FRESH, State.HELD, State.CLAIMED, State.DEFERRED)


class Step(StrEnum):
    """What moves a delivery."""

    PUT = "put"
    PUT_BEHIND = "put behind another of its key"
    FREE = "nothing is before it"
    FREE_AGAIN = "nothing is before it any more"
    HOLD = "another of its key is before it"
    CLAIM = "claim"
    CLAIM_BEHIND = "claim with the one before it"
    GIVE_BACK = "given back untried"
    PUT_OFF_BEHIND = "put off behind another of its key"
    EXPIRE = "the lease ran out"
    NAK = "nak"
    ACK = "ack"
    BURY = "bury"
    REPLAY = "replay"
    REPLAY_BEHIND = "replay behind another of its key"
    DROP = "drop"
    PURGE = "purge"


# From a state (None: not there yet) by a step to a state (None: gone).
TRANSITIONS: dict[tuple[State | None, Step], State | None] = {
    (None, Step.PUT): State.FRESH,
    (None, Step.PUT_BEHIND): State.HELD,
    (State.HELD, Step.FREE): State.FRESH,
    (State.HELD, Step.FREE_AGAIN): State.DEFERRED,
    (State.FRESH, Step.HOLD): State.HELD,
    (State.DEFERRED, Step.HOLD): State.HELD,
    (State.HELD, Step.CLAIM_BEHIND): State.CLAIMED,
    (State.FRESH, Step.CLAIM): State.CLAIMED,
    (State.DEFERRED, Step.CLAIM): State.CLAIMED,
    (State.CLAIMED, Step.GIVE_BACK): State.FRESH,
    (State.CLAIMED, Step.PUT_OFF_BEHIND): State.HELD,
    (State.CLAIMED, Step.EXPIRE): State.DEFERRED,
    (State.CLAIMED, Step.NAK): State.DEFERRED,
    (State.CLAIMED, Step.ACK): State.DELIVERED,
    (State.CLAIMED, Step.BURY): State.DEAD,
    (State.FRESH, Step.BURY): State.DEAD,
    (State.HELD, Step.BURY): State.DEAD,
    (State.DEFERRED, Step.BURY): State.DEAD,
    (State.DEAD, Step.REPLAY): State.FRESH,
    (State.DEAD, Step.REPLAY_BEHIND): State.HELD,
    (State.FRESH, Step.DROP): None,
    (State.HELD, Step.DROP): None,
    (State.DEFERRED, Step.DROP): None,
    (State.DELIVERED, Step.PURGE): None,
    (State.DEAD, Step.PURGE): None,
}


def sources(step: Step) -> tuple[State, ...]:
    """The states from which a step is possible."""
    return tuple(state for state, by in TRANSITIONS if by is step and state is not None)
