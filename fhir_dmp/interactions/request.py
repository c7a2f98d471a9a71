"""Request and Result: an interaction's input and output, free of HTTP; entries of a Bundle use them too."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Requester
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity, Version, is_id
from fhir_dmp.search.query import Handling

Parameters = Sequence[tuple[str, str]]
_VERSION_ID = re.compile(r"[1-9][0-9]{0,8}")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
MAX_PARAMETERS = 1000
MAX_QUERY = 63 * 1024
"""Characters of one query string, form or set of criteria: so that a URL with it has less than the 64 KiB that are read
of one (fhir_dmp/rest/long_url.py)."""
PRESENTATION = frozenset({"_format", "_pretty"})
"""The parameters of how an answer looks, which any URL may have: no interaction sees them."""
Return = Literal["minimal", "representation", "OperationOutcome"]


@dataclass(slots=True)
class Memory:
    """What decides access, as far as it was read for a request: the requester's closure, and the states of records.

    None stands for a record that is not here.
    """

    closure: Closure | None = None
    states: dict[str, RecordState | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, for the audit trail: its id, the client's network address, and when it came."""

    request_id: str = ""
    address: str = ""
    began: Milliseconds = 0


class Preconditions(NamedTuple):
    """The headers, or members of Bundle.entry.request, that make an interaction conditional."""

    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    if_none_exist: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One interaction asked for. Parts that its URL does not have are empty.

    `compartment` is whose compartment a search is confined to.

    `body` holds what was sent, unparsed; where it `is_translated`, it came as XML, and its lines and columns are not
    the client's. `resource` is set instead where a Bundle's entry carries it. `memory` is what access control has read
    for it; the entries of a Bundle share it. `handling` is None where the client said nothing about it. It `is_async`
    where the client asked to be told later (`Prefer: respond-async`). `wanted` is the media type that the answer shall
    have, where that is none of FHIR's.

    `content` is what a Binary shall hold where that came as itself, or lines of resources, of the `media_type`;
    `security_context` came with it, and `content_key` names it once it is stored apart.
    """

    requester: Requester
    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""
    compartment: Identity | None = None
    parameters: Parameters = ()
    body: bytes = b""
    media_type: str = ""
    is_translated: bool = False
    resource: JsonObject | None = None
    preconditions: Preconditions = field(default_factory=Preconditions)
    handling: Handling | None = None
    returns: Return | None = None
    is_async: bool = False
    path: str = ""
    wanted: str = ""
    content: AsyncIterator[bytes] | None = None
    security_context: str = ""
    content_key: str = ""
    memory: Memory = field(default_factory=Memory)
    origin: Origin = field(default_factory=Origin)

    @property
    def identity(self) -> Identity:
        """The resource that the URL names."""
        return Identity(self.resource_type, self.resource_id)


OWNED = frozenset({"Binary", "DocumentReference"})
"""The types of which the store keeps who made them: a Binary is opened by documents of its own maker alone."""


def owner_of(request: Request | None, identity: Identity) -> str:
    """Returns who makes a resource by a request, as Version.owner says it."""
    if request is None or identity.resource_type not in OWNED:
        return ""
    return f"{request.requester.kind.value} {request.requester.name}"


class Status(Enum):
    """How an interaction ended well; rest/response turns it into an HTTP status."""

    OK = "ok"
    CREATED = "created"
    ACCEPTED = "accepted"
    NO_CONTENT = "no content"
    NOT_MODIFIED = "not modified"


@dataclass(frozen=True, slots=True)
class Result:
    """What an interaction gives back: a version with its headers, or a body (a Bundle, a conformance resource).

    A body is FHIR JSON, which is shown in the format that the client asks for, unless it has a `media_type` of its own.
    A `stream` takes the place of a body that is too much for memory. `headers` are further ones, as HTTP names them.
    `versions` are those that a body gives away, for the trace, and `patients` the ids of those whom it is about; of
    those who are `opened` it tells something, if only a number.
    """

    status: Status
    version: Version | None = None
    body: bytes | None = None
    returns: Return = "representation"
    location: bool = False
    etag: str = ""
    media_type: str = ""
    stream: AsyncIterator[bytes] | None = None
    headers: Sequence[tuple[str, str]] = ()
    versions: Sequence[Version] = ()
    patients: Sequence[str] = ()
    opened: Sequence[str] = ()

    @property
    def disclosed(self) -> Sequence[Version]:
        """All versions that the result gives away, or that were written."""
        return (self.version, *self.versions) if self.version else self.versions


def parse_query(text: str) -> Parameters:
    """Returns the parameters of a query string, a form or criteria, decoded and in order.

    Raises FhirError where there are too many, or one is not percent-encoded UTF-8: what is guessed would be another.
    """
    if len(text) > MAX_QUERY:
        raise error(Category.TOO_LARGE, "query-too-long", f"The parameters have more than {MAX_QUERY} characters.")
    message = "The parameters are not percent-encoded UTF-8."
    if _BROKEN_ESCAPE.search(text):
        raise error(Category.MALFORMED, "parameter-encoding", message)
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except UnicodeDecodeError:
        raise error(Category.MALFORMED, "parameter-encoding", message) from None
    except ValueError:
        many = f"There are more than {MAX_PARAMETERS} parameters."
        raise error(Category.TOO_COSTLY, "parameter-many", many) from None


def parse_tags(text: str) -> frozenset[str]:
    """Returns the entity tags that If-Match or If-None-Match lists, each without `W/` and quotes; `*` stays."""
    return frozenset(tag.strip().removeprefix("W/").strip('"') for tag in text.split(","))


def parse_version_id(text: str) -> int | None:
    """Returns the number of a version id of ours, or None for any other text: such a version cannot exist."""
    return int(text) if _VERSION_ID.fullmatch(text) else None


def require_id(request: Request) -> None:
    """Raises FhirError where the URL's id cannot be one (R4: 1 to 64 of A-Z a-z 0-9 - .)."""
    if not is_id(request.resource_id):
        message = "An id has 1 to 64 characters out of A-Z, a-z, 0-9, '-' and '.'."
        raise error(Category.MALFORMED, "id-malformed", message)
