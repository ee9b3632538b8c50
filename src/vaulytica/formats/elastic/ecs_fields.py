"""Which names of an event's data plainly mean which ECS fields, and the document's part made of them.

Names are compared without case, dots and underscores; those in an object count with its name before
them: `sourceIPAddress`, `source_ip` and `{"source": {"ip": …}}` are all here. Among them are
CloudTrail's, and Windows' and Sysmon's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vaulytica.formats.elastic import ecs_values as read
from vaulytica.formats.elastic.ecs_values import Reader

# Where several names mean one field, the one further up has it.
_TABLE: tuple[tuple[str, Reader, str], ...] = (
    (
        "user",
        read.account,
        "username user useridentityusername subjectusername accountname actorname actor actoremail login",
    ),
    ("user.email", read.email, "useremail email emailaddress"),
    ("user.id", read.identifier, "userid useridentityprincipalid subjectusersid actorid"),
    ("user.domain", read.text, "userdomain subjectdomainname"),
    ("user.full_name", read.text, "userfullname fullname"),
    ("user.target", read.account, "sharedwith targetuser targetusername targetuseremail recipient"),
    ("user.target.id", read.identifier, "targetuserid targetusersid"),
    ("user.target.domain", read.text, "targetdomainname"),
    (
        "source",
        read.address,
        (
            "sourceip srcip sourceipaddress sourceaddress srcaddress srcaddr clientip clientipaddress "
            "clientaddress remoteip remoteaddress remoteaddr ipaddress ipaddr ip"
        ),
    ),
    ("source.port", read.port, "sourceport srcport clientport remoteport ipport"),
    ("source.domain", read.text, "sourcedomain sourcehostname sourcehost srchost"),
    (
        "destination",
        read.address,
        (
            "destinationip destip dstip destinationipaddress destinationaddress destaddress dstaddress "
            "dstaddr serverip"
        ),
    ),
    ("destination.port", read.port, "destinationport destport dstport"),
    (
        "destination.domain",
        read.text,
        "destinationdomain destinationhostname destinationhost desthost dsthost",
    ),
    ("network.transport", read.transport, "networktransport transport protocol ipprotocol"),
    ("host.name", read.text, "hostname host computername computer machinename workstationname"),
    ("host.id", read.identifier, "hostid machineid"),
    ("host.ip", read.ips, "hostip"),
    ("file", read.file, "filepath fullpath targetfilename filename file"),
    ("file.size", read.long, "filesize filesizebytes"),
    ("file.mime_type", read.text, "mimetype filemimetype"),
    (
        "file.hash",
        read.digests,
        (
            "sha256 filesha256 filehashsha256 hashsha256 hashessha256 md5 filemd5 filehashmd5 hashmd5 "
            "hashesmd5 sha1 filesha1 filehashsha1 hashsha1 hashessha1 sha512 filehashsha512 filehash hash "
            "hashes"
        ),
    ),
    (
        "process",
        read.program,
        "processexecutable newprocessname image executable processname process",
    ),
    ("process.pid", read.long, "processpid newprocessid processid pid"),
    ("process.command_line", read.text, "processcommandline commandline cmdline"),
    ("process.entity_id", read.text, "processentityid processguid"),
    ("process.working_directory", read.text, "processworkingdirectory currentdirectory cwd"),
    (
        "process.parent",
        read.program,
        "processparentexecutable parentimage parentprocessname processparentname",
    ),
    ("process.parent.pid", read.long, "processparentpid parentprocessid parentpid ppid"),
    ("process.parent.command_line", read.text, "processparentcommandline parentcommandline"),
    ("process.parent.entity_id", read.text, "parentprocessguid"),
    ("registry.path", read.registry, "registrypath targetobject"),
    ("dns.question.name", read.text, "dnsquestionname queryname dnsquery"),
    ("url", read.url, "urlfull urloriginal url requesturl uri"),
    ("http.request.method", read.text, "httpmethod requestmethod httprequestmethod"),
    (
        "http.response.status_code",
        read.long,
        "httpstatus httpstatuscode httpresponsestatuscode statuscode",
    ),
    ("user_agent.original", read.text, "useragent useragentoriginal httpuseragent"),
    ("cloud.region", read.aws_region, "awsregion"),
    ("cloud.region", read.text, "cloudregion region"),
    ("cloud.provider", read.lower, "cloudprovider"),
    ("cloud.account.id", read.identifier, "cloudaccountid recipientaccountid subscriptionid"),
    (
        "cloud.account.id",
        read.aws_account,
        "awsaccountid awsaccount accountid useridentityaccountid",
    ),
    ("cloud.project.id", read.identifier, "cloudprojectid gcpproject gcpprojectid projectid"),
    ("cloud.instance.id", read.identifier, "cloudinstanceid instanceid"),
    ("cloud.availability_zone", read.text, "cloudavailabilityzone availabilityzone"),
    ("rule.name", read.text, "rulename rule"),
    ("rule.id", read.identifier, "ruleid"),
    ("vulnerability.id", read.vulnerability, "vulnerabilityid cve cveid"),
    ("error.code", read.error_code, "errorcode"),
    ("error.message", read.text, "errormessage"),
    ("event.outcome", read.outcome, "eventoutcome outcome result"),
    ("event.reason", read.text, "eventreason reason"),
    ("event.code", read.code, "eventcode eventid"),
    ("event.provider", read.text, "eventprovider eventsource sourcename"),
    ("tags", read.texts, "tags"),
)
# A user of no more concern than that: only where the data names no other.
_OWNER = ("owneremail", "owner")

_NAMES: dict[str, tuple[int, str, Reader]] = {
    name: (rank, path, reader)
    for rank, (name, path, reader) in enumerate(
        [(name, path, reader) for path, reader, names in _TABLE for name in names.split()]
        + [(name, "user", read.account) for name in _OWNER]
    )
}
_OBJECT_NAMES = """
    user useridentity actor source src destination dest dst client network host file filehash hash
    hashes process processparent url http httprequest httpresponse useragent cloud cloudaccount
    cloudinstance rule dns dnsquestion
"""
_OBJECTS = frozenset(_OBJECT_NAMES.split())
_LONGEST_NAME = 64  # characters; a longer one is none of the above


def fill(document: dict[str, Any], data: dict[str, Any]) -> None:
    """Put into the document what the data says in names that are known, and `related` with it."""
    found: dict[str, Any] = {}
    _gather(found, "", data)
    related: dict[str, dict[str, None]] = {}
    for name in sorted(found, key=_NAMES.__getitem__):
        _, path, reader = _NAMES[name]
        pairs = reader(path, found[name])
        free = pairs and not _has(document, pairs[0][0])
        if name in _OWNER and not {"name", "email", "id"}.isdisjoint(document.get("user", ())):
            free = False
        for field, value in pairs:
            if free:
                _put(document, field, value)
            if (group := _group(field)) is not None:
                values = value if isinstance(value, list) else [value]
                related.setdefault(group, {}).update(dict.fromkeys(values))
    if related:
        document["related"] = {group: list(values) for group, values in related.items()}


def _gather(found: dict[str, Any], before: str, data: dict[str, Any]) -> None:
    for key, value in data.items():
        if len(key) > _LONGEST_NAME:
            continue
        name = before + _plain_name(key)
        if isinstance(value, dict):
            if name in _OBJECTS:
                _gather(found, name, value)
        elif name in _NAMES and name not in found:
            found[name] = value


@lru_cache(maxsize=4096)
def _plain_name(key: str) -> str:
    return "".join(character for character in key.lower() if character.isalnum())


def _has(document: dict[str, Any], path: str) -> bool:
    here: Any = document
    for key in _steps(path):
        here = here.get(key)
        if here is None:
            return False
    return True


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *objects, last = _steps(path)
    for key in objects:
        document = document.setdefault(key, {})
    document.setdefault(last, value)


@lru_cache(maxsize=256)
def _steps(path: str) -> list[str]:
    return path.split(".")


@lru_cache(maxsize=256)
def _group(path: str) -> str | None:
    """The field of `related` that gathers such values: all addresses, users, hosts or digests."""
    if path.endswith(".ip"):
        return "ip"
    if ".hash." in path:
        return "hash"
    if path.startswith("user.") and path.endswith((".name", ".email")):
        return "user"
    if path in ("host.name", "dns.question.name") or path.endswith(".domain"):
        return None if path.startswith("user.") else "hosts"
    return None
