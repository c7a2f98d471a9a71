"""Random requests that are nearly right: paths, queries, headers and bodies of a FHIR client, each a little wrong."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.rest.server import BASE_URL, FHIR_JSON

Json = Any
Pairs = list[tuple[str, str]]

EXAMPLES = Path(__file__).parents[2] / "examples"
JSON_PATCH = "application/json-patch+json"


_CONDITIONAL = re.compile(r'"([A-Z][A-Za-z]+)\?[^"]+"')


def _read_resources() -> dict[str, list[Json]]:
    """Some valid resources of each type in examples/, the small ones."""
    found: dict[str, list[Json]] = {}
    for file in sorted(EXAMPLES.glob("*.json")):
        for entry in json.loads(file.read_text(encoding="utf8"))["entry"]:
            text = _CONDITIONAL.sub(r'"\1/a"', json.dumps(entry["resource"]))
            if len(text) < 3000:
                found.setdefault(entry["resource"]["resourceType"], []).append(json.loads(text))
    return {name: rows[:3] for name, rows in found.items()}


RESOURCES = _read_resources()
IDS = ["a", "b", "c"]
"""Few, so that requests meet."""
URNS = [f"urn:uuid:00000000-0000-4000-8000-00000000000{digit}" for digit in "123"]
TYPES = [*sorted(RESOURCES), "Patient", "Patient", "Observation", "Observation", "AuditEvent", "Account", "Unheard"]
ODD = [
    "",
    " ",
    "$where",
    '{"$gt":""}',
    "a.b",
    "\0",
    "\x7f",
    "\ud7ff",
    "\U0001f469",
    "é",
    "%",
    "%zz",
    "../..",
    "0",
    "-1",
    "1e999",
    "NaN",
    "null",
    "true",
    "2024-02-30",
    "2024-01-01T00:00:00Z",
    "9" * 40,
    "a" * 300,
    "|",
    "a|b|c",
    ",",
    "\\",
    "urn:uuid:1",
    f"{BASE_URL}/Patient/a",
    "Patient/a",
    "Patient?identifier=a",
    "#a",
    'W/"1"',
    "*",
    "_",
    "-",
]
TEXTS = st.sampled_from(ODD) | st.text(max_size=12)
SEARCHES = [
    "_id",
    "_lastUpdated",
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_format",
    "_pretty",
    "_type",
    "_since",
    "_at",
    "-cursor",
    "_include",
    "_has",
    "identifier",
    "identifier:of-type",
    "name",
    "family",
    "birthdate",
    "code",
    "date",
    "status",
    "subject",
    "patient",
    "subject.name",
    "value-quantity",
    "url",
    "_tag",
    "_profile",
    "unheard",
    "_filter",
    "_text",
    "_content",
    "_list",
    "_revinclude",
    "_include:iterate",
    "_contained",
    "-before",
    "_has:Observation:patient:code",
    "_has:Observation:patient:_has:AuditEvent:entity:agent",
    "subject:Patient.name:exact",
    "patient.general-practitioner.name",
    "name:exact",
    "name:contains",
    "code:text",
    "code:missing",
    "code:below",
    "subject:identifier",
    "code-value-quantity",
    "near",
    "birthdate:missing",
]
VALUES = st.sampled_from(
    [
        "a",
        "Patient/a",
        "final",
        "2024",
        "ge2024-01",
        "5",
        "ap5|http://unitsofmeasure.org|mg",
        "-family",
        "_id",
        "json",
        "xml",
        "true",
        "8480-6$gt100",
        "Observation:subject",
        "Observation:*",
        "*",
        "name eq a and (birthdate gt 2000 or not (gender eq male))",
        "48.85|2.35|10|km",
    ]
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
_LISTS = st.lists(_SCALARS, max_size=3)
_OBJECTS = st.dictionaries(TEXTS, _SCALARS | _LISTS, max_size=3)
JUNK = _SCALARS | _LISTS | _OBJECTS | st.lists(_OBJECTS, max_size=2) | st.dictionaries(TEXTS, _OBJECTS, max_size=2)
_PIECES = (
    st.sampled_from(
        [
            *TYPES,
            *IDS,
            "_history",
            "_search",
            "metadata",
            "1",
            "2",
            "$everything",
            "$export",
            "$import",
            "$match",
            "$dmp-open",
            "$meta",
            "*",
        ]
    )
    | TEXTS
)


def _once_in(draw: st.DrawFn, times: int) -> bool:
    """Integers would not do: Hypothesis likes their ends."""
    return draw(st.sampled_from([False] * (times - 1) + [True]))


@st.composite
def paths(draw: st.DrawFn) -> str:
    """A path below the base, percent-encoded as a client would, or not at all."""
    type_, id_ = draw(st.sampled_from(TYPES)), draw(st.sampled_from(IDS))
    usual = ["", type_, f"{type_}/{id_}", f"{type_}/{id_}/_history", f"{type_}/{id_}/_history/1", f"{type_}/_search"]
    if not _once_in(draw, 4):
        return draw(st.sampled_from([*usual, f"{type_}/_history", "_history", "_search", "metadata"]))
    pieces = draw(st.lists(_PIECES, max_size=5))
    return "/".join(_encoded(draw, piece) for piece in pieces)


def _encoded(draw: st.DrawFn, text: str) -> str:
    """Mostly as a client writes it; sometimes as bytes that stand there as they are, without what ends a path."""
    if not _once_in(draw, 12):
        return quote(text.encode("utf8", "surrogatepass"), safe="")
    return text.encode("utf8", "surrogatepass").decode("latin-1").replace("?", "").replace("#", "")


_PAIRS = [
    ("_id", "a"),
    ("_id", "a,b"),
    ("_lastUpdated", "ge2024"),
    ("_sort", "-_lastUpdated"),
    ("_count", "2"),
    ("_count", "0"),
    ("_total", "accurate"),
    ("_summary", "count"),
    ("_format", "json"),
    ("_pretty", "true"),
    ("identifier", "a"),
    ("identifier", "urn:a|b"),
    ("_tag", "a"),
    ("_profile", "urn:p"),
    ("_security", "|N"),
    ("_source", "urn:x"),
]


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query string, form or set of criteria."""
    odd = st.tuples(st.sampled_from(SEARCHES) | TEXTS, VALUES | TEXTS)
    pairs = draw(st.lists(st.sampled_from(_PAIRS), max_size=3))
    if _once_in(draw, 3):
        pairs = [*pairs, *draw(st.lists(odd, min_size=1, max_size=2))]
    return "&".join(f"{_encoded(draw, name)}={_encoded(draw, value)}" for name, value in pairs)


@st.composite
def headers(draw: st.DrawFn, content_type: str) -> Pairs:
    """Headers of a client; values are what HTTP can carry."""
    odd = TEXTS.map(lambda text: text.encode("utf8", "surrogatepass").decode("latin-1"))
    tags = st.sampled_from(['W/"1"', '"1"', "*", 'W/"1", W/"2"', "1", "W/"])
    known = {
        "prefer": st.sampled_from(["handling=lenient", "handling=strict", "return=minimal", "return=OperationOutcome"]),
        "if-match": tags,
        "if-none-match": tags,
        "if-modified-since": st.sampled_from(["Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 99 Jan 2026 00:00:00 GMT", "x"]),
        "if-none-exist": queries(),
        "accept": st.sampled_from(
            [FHIR_JSON, "*/*", "text/html", "application/json;q=0", ";", "a/b,*/*;fhirVersion=4.0"]
        ),
        "content-encoding": st.sampled_from(["identity", "gzip"]),
        "content-length": st.sampled_from(["0", "-1", "x", "9" * 30]),
        "x-request-id": odd,
    }
    names = (
        draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=2, unique=True)) if _once_in(draw, 3) else []
    )
    chosen = [(name, draw(odd if _once_in(draw, 4) else known[name])) for name in names]
    types = st.sampled_from([FHIR_JSON, JSON_PATCH, "application/x-www-form-urlencoded", "text/plain", ""]) | odd
    return [("content-type", draw(types) if _once_in(draw, 20) else content_type), *chosen]


@st.composite
def resources(draw: st.DrawFn, resource_type: str | None = None, *, changes: int = 2) -> Json:
    """A valid resource with few changes, mostly one."""
    name = resource_type if resource_type in RESOURCES else draw(st.sampled_from(sorted(RESOURCES)))
    resource = copy.deepcopy(draw(st.sampled_from(RESOURCES[name])))
    resource["id"] = draw(st.sampled_from(IDS))
    for _ in range(draw(st.sampled_from(range(changes + 1)))):
        _change(draw, resource)
    return resource


def _spots(value: Json) -> Iterator[tuple[Json, Json]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from _spots(item)


def _change(draw: st.DrawFn, resource: Json) -> None:
    spots = list(_spots(resource))
    holder, key = spots[draw(st.sampled_from(range(len(spots))))]
    match draw(st.sampled_from(range(6))):
        case 0:
            del holder[key]
        case 1:
            holder[key] = draw(JUNK)
        case 2:
            holder[key] = draw(TEXTS)
        case 3:
            holder[key] = [holder[key], holder[key]]
        case 4:
            other = spots[draw(st.sampled_from(range(len(spots))))]
            holder[key] = copy.deepcopy(other[0][other[1]])
        case _ if isinstance(holder, dict):
            holder[draw(st.sampled_from(["_id", "$set", "extension", "a.b", "resourceType", "id", "meta"]) | TEXTS)] = (
                draw(JUNK)
            )


_OPERATIONS: list[Json] = [
    {"op": "add", "path": "/meta/tag", "value": [{"system": "urn:t", "code": "t"}]},
    {"op": "add", "path": "/language", "value": "fr"},
    {"op": "copy", "from": "/id", "path": "/language"},
    {"op": "add", "path": "/extension", "value": [{"url": "urn:x", "valueReference": {"reference": URNS[0]}}]},
    {"op": "add", "path": "/extension", "value": [{"url": "urn:x", "valueReference": {"reference": "Patient?_id=a"}}]},
    {"op": "test", "path": "/id", "value": "a"},
    {"op": "remove", "path": "/language"},
    {"op": "replace", "path": "/implicitRules", "value": "urn:r"},
]


@st.composite
def patches(draw: st.DrawFn) -> Json:
    """A JSON Patch, mostly of the right form."""
    pointers = st.sampled_from(
        [
            "/status",
            "/identifier",
            "/identifier/0",
            "/identifier/-",
            "/meta/tag",
            "/id",
            "",
            "/name/0/family",
            "/subject",
            "/x",
        ]
    ) | TEXTS.map(lambda text: f"/{text}")
    operation = st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "copy", "move", "test"]) | TEXTS, "path": pointers},
        optional={"value": JUNK | resources(changes=0), "from": pointers},
    )
    if _once_in(draw, 10):
        return draw(JUNK)
    right = st.lists(st.sampled_from(_OPERATIONS), max_size=3)
    return [*draw(right), *draw(st.lists(operation, min_size=1, max_size=2))] if _once_in(draw, 2) else draw(right)


@st.composite
def entries(draw: st.DrawFn) -> Json:
    """An entry of a batch or transaction."""
    method = draw(st.sampled_from(["GET", "HEAD", "DELETE", *["POST", "PUT", "PATCH"] * 3, "FROB"]))
    name, query = draw(st.sampled_from(sorted(RESOURCES))), draw(queries())
    resource = draw(resources(name, changes=1 if _once_in(draw, 4) else 0))
    own = f"{name}/{resource.get('id', 'a') if isinstance(resource, dict) else 'a'}"
    usual = {"POST": name, "PUT": own, "PATCH": own, "DELETE": own, "GET": own, "HEAD": own}.get(method, own)
    url = draw(st.sampled_from([*[usual] * 6, f"{name}?{query}", f"{name}?identifier=a"]))
    url = draw(paths()) if _once_in(draw, 10) else url
    entry: Json = {"request": {"method": method, "url": url}}
    if method == "PATCH":
        data = base64.b64encode(json.dumps(draw(patches())).encode()).decode()
        resource = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}
    if method in {"POST", "PUT", "PATCH"}:
        entry["resource"] = resource
    if draw(st.booleans()):
        entry["fullUrl"] = draw(st.sampled_from([*URNS, f"{BASE_URL}/{own}", "http://x/Patient/a"]))
    if _once_in(draw, 5):
        condition = draw(st.sampled_from(["ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"]))
        entry["request"][condition] = draw(st.sampled_from(['W/"1"', "*", query, "2026-01-01T00:00:00Z"]) | TEXTS)
    return entry


@st.composite
def bundles(draw: st.DrawFn) -> Json:
    """A batch or transaction, sometimes with a change anywhere."""
    kind = draw(st.sampled_from(["batch", "transaction", "transaction"]))
    bundle = {"resourceType": "Bundle", "type": kind, "entry": draw(st.lists(entries(), min_size=1, max_size=4))}
    if _once_in(draw, 5):
        _change(draw, bundle)
    return bundle


@st.composite
def bodies(draw: st.DrawFn, value: Json) -> bytes:
    """JSON as bytes; sometimes cut off, or with bytes of no meaning."""
    body = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf8", "surrogatepass")
    if not _once_in(draw, 20):
        return body
    return body[: draw(st.integers(0, len(body)))] + draw(st.binary(max_size=4))
