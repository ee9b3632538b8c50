"""When to try again: the guide's retry table to the number, and its bounds for any numbers."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.heart import GUIDE_EPOCH, Dice
from vaulytica.delivery.policy import (
    ONCE,
    GiveUp,
    RetryAt,
    RetryPolicy,
)
from vaulytica.delivery.request import Response

# The guide's table: retry, delay without jitter, least and most with it.
TABLE = [
    (1, 1.0, 0.5, 1.0),
    (2, 2.0, 1.0, 2.0),
    (3, 4.0, 2.0, 4.0),
    (4, 8.0, 4.0, 8.0),
    (5, 16.0, 8.0, 16.0),
    (6, 32.0, 16.0, 32.0),
    (7, 60.0, 30.0, 60.0),
]
NOW = float(GUIDE_EPOCH)
ALMOST_ONE = 1 - 2**-53


def delay_of(policy: RetryPolicy, attempts: int, dice: float, retry_after: float = 0.0) -> float:
    """The delay after so many attempts; an error if the policy gives up."""
    step = policy.next_step(attempts, retry_after, 0.0, Dice(dice))
    assert isinstance(step, RetryAt)
    return step.delay


# --- The table.


@pytest.mark.parametrize(("retry", "plain", "least", "most"), TABLE)
def test_the_guides_table(retry: int, plain: float, least: float, most: float) -> None:
    with_jitter = RetryPolicy(max_retries=7)
    without = RetryPolicy(max_retries=7, jitter=False)
    assert delay_of(without, retry, 0.3) == plain
    assert delay_of(with_jitter, retry, 0.0) == least
    assert delay_of(with_jitter, retry, ALMOST_ONE) == pytest.approx(most)
    assert delay_of(with_jitter, retry, 0.5) == pytest.approx((least + most) / 2)


def test_the_defaults_are_the_guides() -> None:
    policy = RetryPolicy()
    assert (policy.max_retries, policy.initial_delay, policy.max_delay) == (3, 1.0, 60.0)
    assert (policy.exponential_base, policy.jitter) == (2.0, True)
    assert (policy.retry_after_cap, policy.deadline) == (3600.0, None)


@pytest.mark.parametrize("max_retries", [0, 1, 3, 5])
def test_n_retries_are_n_plus_1_attempts(max_retries: int) -> None:
    policy = RetryPolicy(max_retries=max_retries)
    attempts = 1
    while isinstance(policy.next_step(attempts, 0.0, 0.0, Dice(0.5)), RetryAt):
        attempts += 1
    assert attempts == max_retries + 1


def test_giving_up_says_after_how_many_attempts() -> None:
    assert RetryPolicy(max_retries=3).next_step(4, 0.0, 0, Dice(0)) == GiveUp(
        "all 4 attempts failed, the last with"
    )
    assert ONCE.next_step(1, 0.0, 0, Dice(0)) == GiveUp("the attempt failed with")


def test_ten_thousand_retries_do_not_overflow() -> None:
    for base in (1.0, 2.0, 1000.0):
        policy = RetryPolicy(max_retries=10_000, exponential_base=base)
        delays = [delay_of(policy, retry, ALMOST_ONE) for retry in range(1, 10_001)]
        assert all(0 < delay <= 60.0 for delay in delays)
        assert delays == sorted(delays)
    assert isinstance(RetryPolicy(max_retries=10_000).next_step(10_001, 0.0, 0, Dice(0)), GiveUp)
    assert delay_of(RetryPolicy(max_retries=10_000, initial_delay=0.0), 9_999, 0.5) == 0.0


SECONDS = st.floats(0, 604_800)


@given(
    initial=SECONDS,
    most=SECONDS,
    base=st.floats(1, 1000),
    retry=st.integers(1, 1_000_000),
    dice=st.floats(0, ALMOST_ONE),
)
def test_jitter_stays_between_half_and_all_of_the_delay(
    initial: float, most: float, base: float, retry: int, dice: float
) -> None:
    settings = {"initial_delay": initial, "max_delay": most, "exponential_base": base}
    whole = delay_of(RetryPolicy(10**6, jitter=False, **settings), retry, dice)
    jittered = delay_of(RetryPolicy(10**6, **settings), retry, dice)
    assert 0 <= whole <= most
    assert whole / 2 <= jittered <= whole


@given(base=st.floats(1, 10), initial=st.floats(0.001, 100), most=st.floats(1, 1000))
def test_delays_never_shrink(base: float, initial: float, most: float) -> None:
    policy = RetryPolicy(
        50, initial_delay=initial, max_delay=most, exponential_base=base, jitter=False
    )
    delays = [delay_of(policy, retry, 0.0) for retry in range(1, 51)]
    assert delays == sorted(delays)
    assert delays[0] == min(initial, most)


# --- A storm.


@pytest.mark.parametrize(("retry", "least", "most"), [(1, 0.5, 1.0), (7, 30.0, 60.0)])
def test_a_thousand_senders_spread_over_the_whole_window(
    retry: int, least: float, most: float
) -> None:
    policy = RetryPolicy(max_retries=7)
    steps = [policy.next_step(retry, 0.0, 0.0, random.Random(seed)) for seed in range(1000)]
    slots = [0] * 10
    for step in steps:
        assert isinstance(step, RetryAt)
        slots[int((step.delay - least) / (most - least) * 10)] += 1
    assert min(slots) > 60  # 100 are expected in each tenth of the window
    assert max(slots) < 145


# --- What the destination asks for.


@pytest.mark.parametrize(
    ("asked", "delay"),
    [(0.0, 1.0), (0.5, 1.0), (1.5, 1.5), (120.0, 120.0), (3600.0, 3600.0), (1e9, 3600.0)],
)
def test_retry_after_is_a_floor_and_is_capped(asked: float, delay: float) -> None:
    policy = RetryPolicy(jitter=False)
    assert delay_of(policy, 1, 0.0, retry_after=asked) == delay


def test_the_cap_can_be_set_and_never_shortens_the_delay_itself() -> None:
    policy = RetryPolicy(jitter=False, retry_after_cap=5.0, max_retries=9)
    assert delay_of(policy, 1, 0.0, retry_after=1e9) == 5.0
    assert delay_of(policy, 5, 0.0, retry_after=1e9) == 16.0


def test_jitter_never_goes_below_what_was_asked_for() -> None:
    assert delay_of(RetryPolicy(), 1, 0.0, retry_after=7.0) == 7.0


# --- The deadline.


def test_a_retry_that_would_outlive_the_deadline_is_refused() -> None:
    policy = RetryPolicy(jitter=False, deadline=10.0)
    assert policy.next_step(1, 0.0, 9.0, Dice(0)) == RetryAt(1.0)
    step = policy.next_step(1, 0.0, 9.001, Dice(0))
    assert step == GiveUp(
        "a retry in 1.0 s would outlive the deadline of 10 s, and the last attempt failed with"
    )
    assert isinstance(policy.next_step(1, 60.0, 0.0, Dice(0)), GiveUp)


@given(elapsed=st.floats(0, 1e6), asked=st.floats(0, 1e9), dice=st.floats(0, 0.999))
def test_no_retry_ever_begins_after_the_deadline(elapsed: float, asked: float, dice: float) -> None:
    step = RetryPolicy(deadline=30.0).next_step(1, asked, elapsed, Dice(dice))
    assert isinstance(step, GiveUp) or elapsed + step.delay <= 30.0


# --- Reading Retry-After.


def asked_for(value: str, **headers: str) -> float | None:
    return Response(503, {"Retry-After": value, **headers}).retry_after(NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("7", 7.0), ("  120 ", 120.0), ("1000000000", 1e9), ("007", 7.0), ("1.5", 1.5)],
)
def test_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert asked_for(value) == seconds


def test_retry_after_of_very_many_digits_is_very_long() -> None:
    seconds = asked_for("9" * 5000)
    assert seconds is not None
    assert 1e9 < seconds < float("inf")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-5",
        "-1000000000",
        "1.",
        ".5",
        "soon",
        "NaN",
        "inf",
        "1e9",
        "0x10",
        "5 s",
        "٥",
        "5, 6",
        "\x00",
    ],
)
def test_retry_after_that_is_nonsense_asks_for_nothing(value: str) -> None:
    assert asked_for(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (str(NOW + 30), 30.0),
        (str((NOW + 30) * 1000), 30.0),
        (str((NOW + 30) * 1000 + 500), 30.5),
        (str((NOW - 30) * 1000), None),
        ("soon", None),
    ],
)
def test_x_ratelimit_reset_is_a_wait_or_a_moment_in_seconds_or_milliseconds(
    value: str, seconds: float | None
) -> None:
    assert Response(429, {"X-RateLimit-Reset": value}).retry_after(NOW) == seconds


def test_no_retry_after_asks_for_nothing() -> None:
    assert Response(503).retry_after(NOW) is None


def test_retry_after_as_a_date() -> None:
    assert asked_for(formatdate(NOW + 90, usegmt=True)) == 90.0
    assert asked_for("Wed, 29 Oct 2025 12:01:30 GMT") == 90.0
    assert asked_for("Wednesday, 29-Oct-25 12:01:30 GMT") == 90.0
    assert asked_for("Wed Oct 29 12:01:30 2025") == 90.0
    assert asked_for("Wed, 29 Oct 2025 14:01:30 +0200") == 90.0


@pytest.mark.parametrize("value", [formatdate(NOW, usegmt=True), formatdate(NOW - 90, usegmt=True)])
def test_a_date_that_is_past_asks_for_nothing(value: str) -> None:
    assert asked_for(value) is None


@pytest.mark.parametrize("skew", [-86400, -60, 0, 60, 86400])
def test_a_date_is_read_by_the_destinations_own_clock(skew: float) -> None:
    theirs = NOW + skew
    asked = asked_for(formatdate(theirs + 30, usegmt=True), Date=formatdate(theirs, usegmt=True))
    assert asked == 30.0


def test_seconds_need_no_clock() -> None:
    assert asked_for("30", Date=formatdate(NOW + 86400, usegmt=True)) == 30.0


def test_a_date_header_that_is_nonsense_is_left_aside() -> None:
    assert asked_for(formatdate(NOW + 30, usegmt=True), Date="yesterday") == 30.0
    assert Response(200, {"Date": "yesterday"}).date() is None
    assert Response(200).date() is None
    assert Response(200, {"Date": formatdate(NOW, usegmt=True)}).date() == NOW


DATE_LIKE = st.text("0123456789 :,-+GMTWedOctJan/.", max_size=40)


@given(st.text() | DATE_LIKE, st.text() | DATE_LIKE)
def test_no_header_breaks_the_reading(value: str, date: str) -> None:
    seconds = asked_for(value, Date=date)
    assert seconds is None or 0 <= seconds < float("inf")


@given(st.integers(0, 10**6), st.integers(-(10**6), 10**6))
def test_dates_round_trip(wait: int, skew: int) -> None:
    assume(wait > 0)
    theirs = NOW + skew
    date = formatdate(theirs + wait, usegmt=True)
    assert asked_for(date, Date=formatdate(theirs, usegmt=True)) == wait
