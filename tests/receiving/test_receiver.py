from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest
import trustme

from vaulytica.receiving.receiver import Answer, Misbehaviour, Receiver


def talk(receiver, raw):
    """Send raw bytes; all that comes back."""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=60) as connection:
        connection.sendall(raw)
        answer = b""
        with suppress(OSError):  # it may be gone before we have said all
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


def post(receiver, body=b"{}", headers=None, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
    try:
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_keeps_what_it_gets():
    seen = []
    with Receiver(on_request=seen.append) as receiver:
        assert post(receiver, b"\x00\xff", {"X-Two": "2"}, "/a?b=c") == (200, b'{"ok":true}')
    (received,) = receiver.received
    assert seen == [received]
    assert (received.method, received.path, received.body) == ("POST", "/a?b=c", b"\x00\xff")
    assert received.header("x-two") == "2"
    assert received.header("x-three") is None
    assert received.verified is None
    assert abs(received.time - time.time()) < 60
    assert receiver.counts == {200: 1}


def test_a_connection_is_kept():
    with Receiver() as receiver:
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
        for _ in range(3):
            connection.request("POST", "/", b"{}")
            connection.getresponse().read()
        first = connection.sock
        connection.request("GET", "/")
        connection.getresponse().read()
        assert connection.sock is first
        connection.close()
    assert [r.method for r in receiver.received] == ["POST", "POST", "POST", "GET"]


def test_chunked_bodies():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Receiver() as receiver:
        answer = talk(receiver, head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert receiver.received[0].body == b"abcde"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"Content-Length: 99999\r\n\r\n", 413),
        (b"Content-Length: x\r\n\r\n", 400),
        (b"Content-Length: -1\r\n\r\n", 400),
        (b"Content-Length: " + b"0" * 20 + b"2\r\n\r\nab", 400),
        (b"Content-Length: " + b"9" * 18 + b"\r\n\r\n", 413),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"Content-Length: 5\r\n\r\nabc", 400),
        (b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\na", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 200, 400),
        (b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 8190 + b"a\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0", 400),
    ],
)
def test_bodies_that_cannot_be_read(rest, status, capfd):
    with Receiver(max_body=1000) as receiver:
        answer = talk(receiver, b"POST / HTTP/1.1\r\nHost: x\r\n" + rest)
        assert post(receiver)[0] == 200
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert len(receiver.received) == 1
    assert capfd.readouterr() == ("", "")


def test_signatures():
    body = b'{"a": 1}'
    right = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    with Receiver(hmac_secret="secret", hmac_header="X-Mine") as receiver:
        assert post(receiver, body, {"x-mine": right})[0] == 200
        assert post(receiver, body, {"X-Mine": right[:-1] + "x"})[0] == 401
        assert post(receiver, body)[0] == 401
        assert post(receiver, body + b" ", {"X-Mine": right})[0] == 401
    assert [r.verified for r in receiver.received] == [True, False, False, False]
    assert "secret" not in repr(receiver)


def test_misbehaviour():
    with Receiver(status=202, fail=Misbehaviour(first=2, status=500)) as receiver:
        assert [post(receiver)[0] for _ in range(4)] == [500, 500, 202, 202]


def test_failing_by_chance_is_the_same_each_time():
    runs = []
    for _ in range(2):
        with Receiver(fail=Misbehaviour(rate=0.5), seed=7) as receiver:
            runs.append([post(receiver)[0] for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_own_answers():
    def respond(received):
        return Answer(204) if received.path == "/none" else None

    with Receiver(respond=respond) as receiver:
        assert post(receiver, path="/none") == (204, b"")
        assert post(receiver)[0] == 200
    assert [r.status for r in receiver.received] == [204, 200]


def test_an_answer_without_a_body_to_head():
    with Receiver() as receiver:
        answer = talk(receiver, b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_a_bound_on_what_is_kept():
    with Receiver(keep=3) as receiver:
        for n in range(5):
            post(receiver, b"%d" % n)
    assert [r.body for r in receiver.received] == [b"2", b"3", b"4"]
    assert receiver.counts == {200: 5}


def test_delay_and_close_in_the_middle_of_it():
    receiver = Receiver(delay=120)
    outcome = []

    def ask():
        try:
            outcome.append(post(receiver))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.1)
    started = time.monotonic()
    receiver.close()
    receiver.close()
    thread.join(60)
    assert len(outcome) == 1
    assert time.monotonic() - started < receiver.delay / 2


def test_clients_that_go_away_are_no_news(capfd):
    with Receiver(delay=0.05) as receiver:
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", receiver.port))
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # close by reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            connection.close()
        talk(receiver, b"garbage\r\n\r\n")
        talk(receiver, b"\x16\x03\x01")
        assert post(receiver)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_callback_that_raises_breaks_one_connection_only(capfd):
    def respond(received):
        if received.path == "/bad":
            raise ZeroDivisionError

    with Receiver(respond=respond) as receiver:
        with pytest.raises(http.client.HTTPException):
            post(receiver, path="/bad")
        assert post(receiver)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_tls():
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    with Receiver(tls=context) as receiver:
        assert receiver.url == f"https://127.0.0.1:{receiver.port}"
        talk(receiver, b"POST / HTTP/1.1\r\n\r\n")  # no TLS: gets nothing, harms nothing
        connection = http.client.HTTPSConnection("localhost", receiver.port, context=trusting)
        connection.request("POST", "/", b"{}")
        assert connection.getresponse().read() == b'{"ok":true}'
        connection.close()


def test_ipv6():
    try:
        receiver = Receiver(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with receiver:
        assert receiver.url == f"http://[::1]:{receiver.port}"


def test_thousands_of_requests_from_many_at_once():
    with Receiver() as receiver:

        def work():
            connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
            for _ in range(200):
                connection.request("POST", "/", b"{}")
                connection.getresponse().read()
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert receiver.counts == {200: 2000}
