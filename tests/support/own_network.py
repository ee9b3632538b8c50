"""A network of this process's own, with a name server: a place where tests can have public addresses.

`enter` gives the process namespaces of its own (Linux): a loopback with addresses of the tests' choice,
which lead nowhere else, and an /etc/resolv.conf that names the server on 127.0.0.1. What resolves there
is the system's own resolver, as in production.
"""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dnslib import AAAA, QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

# From linux/sched.h, linux/sockios.h and sys/mount.h.
_NEWNS, _NEWUSER, _NEWNET = 0x20000, 0x10000000, 0x40000000
_SIOCGIFINDEX, _SIOCSIFFLAGS, _SIOCSIFADDR = 0x8933, 0x8914, 0x8916
_MS_BIND, _MS_PRIVATE, _MS_REC = 4096, 1 << 18, 16384


def enter(addresses: Sequence[str]) -> bool:
    """Leave this machine's network for one of our own; False where that is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEWUSER | _NEWNS | _NEWNET) == 0:
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        except OSError:
            return False
    elif libc.unshare(_NEWNS | _NEWNET) != 0:
        return False
    try:
        _use_addresses(addresses)
    except OSError:
        return False
    return _use_our_name_server(libc)


def _use_addresses(addresses: Sequence[str]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as v4,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as v6,
    ):
        fcntl.ioctl(v4, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", 0x1 | 0x40))  # up, running
        index = struct.unpack("16si20x", fcntl.ioctl(v4, _SIOCGIFINDEX, struct.pack("40s", b"lo")))
        for number, address in enumerate(addresses):
            packed = ipaddress.ip_address(address).packed
            if len(packed) == 16:
                fcntl.ioctl(v6, _SIOCSIFADDR, struct.pack("16sIi", packed, 128, index[1]))
            else:
                name = f"lo:{number + 1}".encode()
                request = struct.pack("16sH2x4s16x", name, socket.AF_INET, packed)
                fcntl.ioctl(v4, _SIOCSIFADDR, request)
    for address in addresses:
        _wait_for(address)


def _wait_for(address: str) -> None:
    """IPv6 looks first whether somebody else has the address."""
    until = time.monotonic() + 60
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        try:
            socket.create_server((address, 0), family=family).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _use_our_name_server(libc: ctypes.CDLL) -> bool:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    bound = libc.mount(file.name.encode(), b"/etc/resolv.conf", None, _MS_BIND, None) == 0
    Path(file.name).unlink()
    return bound


_SILENT = DNSLogger(logf=lambda _: None)


class Names(BaseResolver):
    """A name server on 127.0.0.1: the n-th question for a name gets its n-th answer, the last for ever.

    `asked` counts the questions by name and type; `slow` names types whose answer takes a while.
    """

    def __init__(self, names: dict[str, list[list[str]]], *, slow: str = "") -> None:
        self._names, self._slow = names, slow
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = DNSServer(self, address="127.0.0.1", port=53, logger=_SILENT)
        serve = self._server.server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.02,), daemon=True)
        self._thread.start()

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        with self._lock:
            number = self.asked[f"{name} {kind}"]
            self.asked[f"{name} {kind}"] += 1
        if kind == self._slow:
            time.sleep(0.4)
        reply = request.reply()
        answers = self._names.get(name, [[]])
        for address in answers[min(number, len(answers) - 1)]:
            packed = ipaddress.ip_address(address).packed
            made = A if len(packed) == 4 else AAAA
            if made.__name__ == kind:
                record = RR(request.q.qname, request.q.qtype, rdata=made(tuple(packed)), ttl=0)
                reply.add_answer(record)
        return reply

    def close(self) -> None:
        self._server.server.shutdown()
        self._thread.join()
        self._server.server.server_close()
