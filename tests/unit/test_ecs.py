"""What `ecs` makes of an event: its name and severity, its words, and the names of its data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.heart import guide_event
from vaulytica.formats.elastic import EcsFormat
from vaulytica.formats.elastic.ecs_words import categorised


def document(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(EcsFormat().encode(guide_event(**changes)))
    return made


def fields(data: dict[str, Any]) -> dict[str, Any]:
    """What comes of the data, beside the event's own and `related`."""
    made = document(type="t", data=data, id="e-1")
    plain = document(type="t", data={}, id="e-1")
    assert made.pop("vaulytica") == data
    made.pop("related", None)
    own = made["event"].keys() - plain["event"].keys()
    new = {key: value for key, value in made.items() if key not in plain}
    return new | {f"event.{key}": made["event"][key] for key in own}


def related(data: dict[str, Any]) -> Any:
    return document(data=data).get("related")


# --- The event itself.


@pytest.mark.parametrize(
    ("severity", "level"),
    [("debug", 0), ("info", 1), ("warning", 2), ("error", 3), ("critical", 4)],
)
def test_our_name_severity_and_data(severity: str, level: int) -> None:
    data = {"a": {"b": [1, None]}, "@timestamp": 5, "event": {"kind": "signal"}}
    made = document(
        type="custom.thing happened", severity=severity, data=data, id="e-1", source="scanner"
    )
    assert made["@timestamp"] == "2025-10-29T12:00:00Z"
    assert made["event"] == {
        "kind": "alert",
        "type": ["info"],
        "action": "custom.thing happened",
        "severity": level,
        "id": "e-1",
    }
    assert made["log"] == {"level": severity}
    assert made["observer"]["name"] == "scanner"
    assert made["vaulytica"] == data
    assert made["ecs"]["version"].count(".") == 2


@pytest.mark.parametrize(
    ("type", "said"),
    [
        ("login_failed", ("authentication", ["start"], "failure")),
        ("user.login.success", ("authentication", ["start"], "success")),
        ("ConsoleLogin", ("authentication", ["start"], None)),
        ("user_logged_out", ("authentication", ["end"], None)),
        ("UserSignedIn", ("authentication", ["start"], None)),
        ("user_logged", ("iam", ["user"], None)),
        ("dns_query", ("network", ["info"], None)),
        ("DnsQuery", ("network", ["info"], None)),
        ("sql_injection_attempt", ("intrusion_detection", ["info"], None)),
        ("sql_query", ("database", ["info"], None)),
        ("user_agent_blocked", ("web", ["info"], None)),
        ("AssumeRole", ("authentication", ["info"], None)),
        ("process_create", ("process", ["start"], None)),
        ("ProcessCreate", ("process", ["start"], None)),
        ("driver_loaded", ("driver", ["start"], None)),
        ("logout", ("authentication", ["end"], None)),
        ("mfa_disabled", ("authentication", ["info"], None)),
        ("file_shared_externally", ("file", ["change"], None)),
        ("file-deleted", ("file", ["deletion"], None)),
        ("FILE_DOWNLOADED", ("file", ["access"], None)),
        ("malware_file_detected", ("malware", ["info"], None)),
        ("admin_role_granted", ("iam", ["admin", "group", "change"], None)),
        ("user_created", ("iam", ["user", "creation"], None)),
        ("CreateUser", ("iam", ["creation", "user"], None)),
        ("network connection denied", ("network", ["connection", "denied"], None)),
        ("firewall_blocked", ("network", ["denied"], None)),
        ("registry_key_seen", ("registry", ["access"], None)),
        ("dll_seen", ("library", ["start"], None)),
        ("ioc_match", ("threat", ["indicator"], None)),
        ("policy_changed", ("configuration", ["change"], None)),
        ("pii_detected", (None, ["info"], None)),
        ("scan_failed", (None, ["info"], "failure")),
        ("profile_updated", (None, ["info"], None)),
        ("\ud800", (None, ["info"], None)),
        ("x" * 100_000, (None, ["info"], None)),
    ],
)
def test_the_words_of_a_type(type: str, said: tuple[str | None, list[str], str | None]) -> None:
    found = categorised(type)
    category = found.get("category", [None])
    assert (*category, found["type"], found.get("outcome")) == said
    assert categorised(type) == found


# --- Its data.


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"user": "bob"}, {"user": {"name": "bob"}}),
        ({"user": "b@x.example"}, {"user": {"name": "b@x.example", "email": "b@x.example"}}),
        ({"User": "THESHIRE\\bob"}, {"user": {"name": "bob", "domain": "THESHIRE"}}),
        ({"user": {"name": "bob", "id": 7}}, {"user": {"name": "bob", "id": "7"}}),
        ({"user.name": "bob"}, {"user": {"name": "bob"}}),
        ({"owner": "a@x.example"}, {"user": {"name": "a@x.example", "email": "a@x.example"}}),
        ({"owner": "a@x.example", "user": "bob"}, {"user": {"name": "bob"}}),
        ({"owner": "al", "email": "b@x.example"}, {"user": {"email": "b@x.example"}}),
        ({"actor": {"email": "b@x.example"}}, {"user": {"name": "b@x.example", "email": "b@x.example"}}),
        ({"user": "-", "username": "", "email": "none"}, {}),
        ({"user": ["bob"]}, {}),
        ({"shared_with": "c@y.example"}, {"user": {"target": {"name": "c@y.example", "email": "c@y.example"}}}),
        ({"sourceIPAddress": "1.2.3.4"}, {"source": {"address": "1.2.3.4", "ip": "1.2.3.4"}}),
        ({"source": {"ip": "::1", "port": 443}}, {"source": {"address": "::1", "ip": "::1", "port": 443}}),
        ({"src_ip": "here"}, {"source": {"address": "here"}}),
        ({"ip": "fe80::1%eth0"}, {"source": {"address": "fe80::1%eth0"}}),
        ({"ip": "5.6.7.8", "src-ip": "1.2.3.4"}, {"source": {"address": "1.2.3.4", "ip": "1.2.3.4"}}),
        ({"ip": 16909060}, {}),
        ({"DestPort": "80", "SourcePort": 65536}, {"destination": {"port": 80}}),
        ({"src_port": "http"}, {}),
        ({"hostname": "h1", "host": "collector"}, {"host": {"name": "h1"}}),
        ({"host": {"name": "h1", "ip": ["1.2.3.4"]}}, {"host": {"name": "h1", "ip": ["1.2.3.4"]}}),
        ({"host_ip": "1.2.3.4"}, {"host": {"ip": ["1.2.3.4"]}}),
        ({"host_ip": ["1.2.3.4", "x"]}, {}),
        ({"file_name": "a.tar.gz"}, {"file": {"name": "a.tar.gz", "extension": "gz"}}),
        ({"file_name": ".bashrc"}, {"file": {"name": ".bashrc"}}),
        ({"file_path": "/etc/pass.wd"}, {"file": {"path": "/etc/pass.wd", "name": "pass.wd", "extension": "wd"}}),
        ({"file": {"name": "a", "size": "12"}}, {"file": {"name": "a", "size": 12}}),
        ({"file_size": -1}, {}),
        ({"file_size": 1.5}, {}),
        ({"sha256": "A" * 64}, {"file": {"hash": {"sha256": "a" * 64}}}),
        ({"file": {"hash": {"md5": "b" * 32}}}, {"file": {"hash": {"md5": "b" * 32}}}),
        ({"hash": "c" * 40}, {"file": {"hash": {"sha1": "c" * 40}}}),
        ({"md5": "not one"}, {}),
        ({"sha1": "a" * 39}, {}),
        ({"Image": "C:\\x\\y.exe"}, {"process": {"executable": "C:\\x\\y.exe", "name": "y.exe"}}),
        ({"process_name": "sshd", "pid": 12}, {"process": {"name": "sshd", "pid": 12}}),
        ({"NewProcessId": "0x1968", "ProcessId": "0x4"}, {"process": {"pid": 6504}}),
        ({"url": "https://x.example/a?b"}, {"url": {"original": "https://x.example/a?b", "full": "https://x.example/a?b", "scheme": "https", "domain": "x.example"}}),
        ({"url": "/a?b"}, {"url": {"original": "/a?b"}}),
        ({"protocol": "TCP"}, {"network": {"transport": "tcp"}}),
        ({"Protocol": "17"}, {"network": {"transport": "udp"}}),
        ({"protocol": "https"}, {}),
        ({"account_id": "123456789012"}, {"cloud": {"account": {"id": "123456789012"}}}),
        ({"account_id": "bob"}, {}),
        ({"awsRegion": "us-east-1"}, {"cloud": {"region": "us-east-1", "provider": "aws"}}),
        ({"cloud_provider": "GCP", "region": "eu"}, {"cloud": {"provider": "gcp", "region": "eu"}}),
        ({"cve": "cve-2024-3094"}, {"vulnerability": {"id": "CVE-2024-3094"}}),
        ({"errorCode": "AccessDenied"}, {"error": {"code": "AccessDenied"}, "event.outcome": "failure"}),
        ({"result": "Succeeded"}, {"event.outcome": "success"}),
        ({"result": 5}, {}),
        ({"EventID": 4688}, {"event.code": "4688"}),
        ({"eventID": "fd4f1042-c7f6"}, {}),
        ({"tags": ["a"]}, {"tags": ["a"]}),
        ({"tags": ["a", 1]}, {}),
        ({"unknown": {"ip": "1.2.3.4"}}, {}),
        ({"k" * 100: "1.2.3.4", "": "x", "...": "y"}, {}),
    ],
)  # fmt: skip
def test_what_the_data_plainly_says(data: dict[str, Any], expected: dict[str, Any]) -> None:
    assert fields(data) == expected


def test_related_gathers_what_is_there() -> None:
    data = {
        "user": "bob",
        "owner": "a@x.example",
        "ip": "1.2.3.4",
        "src_ip": "5.6.7.8",
        "dest_ip": "1.2.3.4",
        "hashes": "SHA1=" + "A" * 40 + ",MD5=" + "B" * 32 + ",IMPHASH=" + "C" * 32,
        "hostname": "h1",
        "url": "https://x.example/",
    }
    assert related(data) == {
        "user": ["bob", "a@x.example"],
        "ip": ["5.6.7.8", "1.2.3.4"],
        "hash": ["a" * 40, "b" * 32, "c" * 32],
        "hosts": ["h1", "x.example"],
    }
    assert related({"x": 1}) is None


def test_the_order_of_names_does_not_matter() -> None:
    data = {
        "ip": "1.2.3.4",
        "src_ip": "5.6.7.8",
        "owner": "a",
        "user": "b",
        "host": "c",
        "hostname": "d",
    }
    made = document(data=data, id="e-1")
    assert document(data=dict(reversed(data.items())), id="e-1") == made


def test_cloudtrail() -> None:
    data = {
        "userAgent": "console.ec2.amazonaws.com",
        "awsRegion": "us-east-1",
        "userIdentity": {"type": "IAMUser", "userName": "pedro", "principalId": "AIDA"},
        "recipientAccountId": "123456789123",
        "eventName": "DescribeInstances",
        "sourceIPAddress": "1.2.3.4",
        "eventSource": "ec2.amazonaws.com",
        "eventID": "fd4f1042-c7f6-4107-a6ee-d841d92596e7",
    }
    assert fields(data) == {
        "user": {"name": "pedro", "id": "AIDA"},
        "source": {"address": "1.2.3.4", "ip": "1.2.3.4"},
        "user_agent": {"original": "console.ec2.amazonaws.com"},
        "cloud": {"region": "us-east-1", "provider": "aws", "account": {"id": "123456789123"}},
        "event.provider": "ec2.amazonaws.com",
    }


def test_sysmon_and_windows() -> None:
    data = {
        "EventID": 3,
        "SourceName": "Microsoft-Windows-Sysmon",
        "Hostname": "WORKSTATION5.theshire.local",
        "User": "THESHIRE\\pgustavo",
        "Image": "C:\\Windows\\System32\\svchost.exe",
        "ProcessId": "340",
        "SourceIp": "172.18.39.5",
        "SourcePort": 65372,
        "DestinationIp": "10.10.10.5",
        "DestinationPort": "80",
        "DestinationHostname": "-",
        "Protocol": "tcp",
        "RuleName": "-",
    }
    assert fields(data) == {
        "user": {"name": "pgustavo", "domain": "THESHIRE"},
        "source": {"address": "172.18.39.5", "ip": "172.18.39.5", "port": 65372},
        "destination": {"address": "10.10.10.5", "ip": "10.10.10.5", "port": 80},
        "network": {"transport": "tcp"},
        "host": {"name": "WORKSTATION5.theshire.local"},
        "process": {
            "executable": "C:\\Windows\\System32\\svchost.exe",
            "name": "svchost.exe",
            "pid": 340,
        },
        "event.provider": "Microsoft-Windows-Sysmon",
        "event.code": "3",
    }
