"""The gate between an egress policy and libcurl: what it lets through, and for how long."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from vaulytica.errors import TransportFailure
from vaulytica.transport.egress import EgressPolicy, Gate

BAD = object()


def asked(gate: Gate, host: str) -> bool:
    """Whether libcurl would get a socket for that address."""
    address = SimpleNamespace(
        family=socket.AF_INET, socktype=socket.SOCK_STREAM, protocol=0, addr=(host, 443)
    )
    given = gate.open(0, address)
    if given is not BAD:
        given.close()
    return given is not BAD


@pytest.fixture
def gate() -> Gate:
    return Gate(EgressPolicy(["10.0.0.0/8"]), BAD, proxy_is_guard=False)


def test_an_address_is_let_through_once_it_was_judged(gate: Gate) -> None:
    gate.close()
    assert not asked(gate, "10.0.0.1")
    assert gate.judge(through_proxy=False)
    assert asked(gate, "10.0.0.1")
    assert not asked(gate, "10.0.0.2")


def test_what_one_transfer_was_allowed_the_next_is_not(gate: Gate) -> None:
    asked(gate, "10.0.0.1")
    assert gate.judge(through_proxy=False)
    gate.close()
    assert not asked(gate, "10.0.0.1")
    gate.close()
    assert not gate.judge(through_proxy=False)  # nothing was asked for since


def test_a_name_whose_answer_changes_each_time_is_given_up_on(gate: Gate) -> None:
    looks = []
    for number in range(6):
        asked(gate, f"10.0.0.{number}")
        looks.append(gate.judge(through_proxy=False))
    assert looks == [True, True, True, False, False, False]


def test_one_refused_address_refuses_the_rest(gate: Gate) -> None:
    asked(gate, "10.0.0.1")
    asked(gate, "127.0.0.1")
    with pytest.raises(TransportFailure, match="its name has 1 more, and none of them is tried"):
        gate.judge(through_proxy=False)
    assert not asked(gate, "10.0.0.1")
