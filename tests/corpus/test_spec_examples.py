"""The specification's own R4 examples: each is taken, kept as it was written, found by what it says, and in history.

https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/search.html. The examples are not part of the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle

from fhir_dmp.conformance.validate import validate_profiles
from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.node import Node
from fhir_dmp.json_text import FhirDecimal, JsonObject, parse_json_object
from fhir_dmp.loader import load_capability, load_registry
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.spec.search_parameter import SearchParameter
from fhir_dmp.validation.compiler import Schemas

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
LISTING = SHARED / "corpus" / "spec-examples.json"
ROWS: list[dict[str, str]] = json.loads(LISTING.read_text(encoding="utf-8")) if LISTING.is_file() else []
REFUSED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "refused.json").read_text(encoding="utf-8"))
BELOW_PROFILES: dict[str, str] = json.loads((Path(__file__).parent / "below_profiles.json").read_text(encoding="utf-8"))
CAPABILITY = load_capability()

pytestmark = pytest.mark.skipif(not ROWS, reason=f"the specification's examples are not at {LISTING}")


def is_writable(resource_type: str) -> bool:
    return CAPABILITY.permits(resource_type, "create")


FILES = [row["file"] for row in ROWS]
TYPES = {row["file"]: row["resourceType"] for row in ROWS}
TAKEN = [file for file in FILES if is_writable(TYPES[file]) and Path(file).stem not in REFUSED]
ELSEWHERE = frozenset({"composite", "special"})
"""What has no value of its own to derive from an element: tests/search and tests/cases/rest/values.json ask for it."""
PARAMETERS = {
    name: [
        parameter for parameter in load_registry().search_parameters(name).values() if parameter.type not in ELSEWHERE
    ]
    for name in CAPABILITY.types
}


# --- JSON as it is written: objects as tuples of pairs, numbers as their literals


def normal_form(text: bytes) -> Any:
    def number(literal: str) -> tuple[str, str]:
        return "number", literal

    return json.loads(text, parse_float=number, parse_int=number, object_pairs_hook=tuple)


def without_what_the_server_assigns(resource: Any) -> tuple[Any, Any]:
    """Leaves out the id and, of meta, which has no place of its own, its versionId and lastUpdated."""
    meta = [pair for pair in dict(resource).get("meta", ()) if pair[0] not in {"versionId", "lastUpdated"}]
    return meta, [pair for pair in resource if pair[0] not in {"id", "meta"}]


# --- what to ask for, so that a node is found: (kind of parameter, type of node) → search values


def escape(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, "\\" + character)
    return text


def texts(value: JsonObject, *keys: str) -> list[str]:
    held = [value[key] for key in keys if key in value]
    return [escape(item) for items in held for item in (items if isinstance(items, list) else [items]) if item]


def coded(value: JsonObject, key: str = "code") -> list[str]:
    return [f"{escape(value.get('system', ''))}|{escape(value[key])}"] if key in value else []


def measured(value: JsonObject, prefix: str = "") -> list[str]:
    if "value" not in value:
        return []
    prefix = prefix or {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}.get(value.get("comparator", ""), "")
    system, code = escape(value.get("system", "")), escape(value.get("code", ""))
    number = f"{prefix}{write_number(value['value'])}"
    return [number, f"{number}|{system}|{code}"] if code else [number]


def write_number(value: Any) -> str:
    return value.literal if isinstance(value, FhirDecimal) else str(value)


def spanned(value: JsonObject) -> list[str]:
    return [prefix + value[key] for prefix, key in (("ge", "start"), ("le", "end")) if key in value]


def timed(value: JsonObject) -> list[str]:
    events = value.get("event", [])
    bounds = value.get("repeat", {}).get("boundsPeriod", {})
    return ([f"ge{events[0]}", f"le{events[-1]}"] if events else []) + spanned(bounds)


def pointed(value: JsonObject) -> list[str]:
    """A contained resource cannot be asked for, a reference without a literal neither."""
    reference = value.get("reference", "")
    return [escape(reference)] if reference and not reference.startswith("#") else []


def plain(value: Any) -> list[str]:
    return [escape(str(value))]


def coded_in(value: JsonObject) -> list[str]:
    return [text for coding in value.get("coding", ()) for text in coded(coding)]


def named(value: JsonObject) -> list[str]:
    return texts(value, "family", "given", "text", "prefix", "suffix")


def located(value: JsonObject) -> list[str]:
    return texts(value, "text", "line", "city", "district", "state", "postalCode", "country")


def priced(value: JsonObject) -> list[str]:
    return measured({**value, "system": "urn:iso:std:iso:4217", "code": value.get("currency", "")})


def ranged(value: JsonObject) -> list[str]:
    return measured(value.get("low", {}), "ge") + measured(value.get("high", {}), "le")


def sampled(value: JsonObject) -> list[str]:
    first = next(sample for sample in value["data"].split() if sample not in {"E", "L", "U"})
    number = value["origin"]["value"] + value.get("factor", 1) * Decimal(first)
    return measured({**value["origin"], "value": str(number)}, "ge")


ASKING: dict[tuple[str, str], Callable[[JsonObject], list[str]]] = {
    ("token", "CodeableConcept"): coded_in,
    ("token", "Coding"): coded,
    ("token", "Identifier"): lambda value: coded(value, "value"),
    ("token", "ContactPoint"): lambda value: texts(value, "value"),
    ("string", "HumanName"): named,
    ("string", "Address"): located,
    ("date", "Period"): spanned,
    ("date", "Timing"): timed,
    ("reference", "Reference"): pointed,
    ("quantity", "Quantity"): measured,
    ("quantity", "Age"): measured,
    ("quantity", "Duration"): measured,
    ("quantity", "Money"): priced,
    ("quantity", "Range"): ranged,
    ("quantity", "SampledData"): sampled,
}


def derive(kind: str, node: Node) -> list[str]:
    """The search values that must find the resource in which a parameter found this node."""
    value: Any = node.value
    if value is None:
        return []
    if node.type_name in load_registry().resource_types:
        return [f"{value['resourceType']}/{value['id']}"] if "id" in value else []
    if isinstance(value, dict):
        ask = ASKING.get((kind, node.type_name))
        return ask(value) if ask else []
    if isinstance(value, bool):
        return [str(value).lower()]
    if kind == "date":
        return [value] if node.type_name in {"date", "dateTime", "instant"} else []
    return [write_number(value)] if kind in {"number", "quantity"} else plain(value)


def questions(resource: JsonObject) -> Iterator[tuple[str, str]]:
    """Every parameter of the resource's type, with each value that the resource itself has for it."""
    resource_type = resource["resourceType"]
    for parameter in PARAMETERS[resource_type]:
        nodes = select(parameter, resource, resource_type)
        values = [text for node in nodes for text in derive(parameter.type, node)]
        yield from ((parameter.code, value) for value in dict.fromkeys(values))


def select(parameter: SearchParameter, resource: JsonObject, resource_type: str) -> list[Node]:
    program = compile_expression(parameter.expression or "{}", model=load_registry(), type_name=resource_type)
    return program.select(resource)


# --- the tests


@pytest.mark.parametrize("file", FILES)
async def test_example_is_taken_or_refused_for_a_listed_reason(file: str, posted: dict[str, httpx.Response]) -> None:
    answer = posted[file]
    if not is_writable(TYPES[file]):
        assert answer.status_code in {404, 405}
        return
    listed = REFUSED.get(Path(file).stem)
    found = (answer.status_code, [] if answer.is_success else codes_of(answer))
    assert found == ((listed["status"], listed["codes"]) if listed else (201, [])), answer.text


def codes_of(answer: httpx.Response) -> list[str]:
    return sorted({issue["details"]["coding"][0]["code"] for issue in answer.json()["issue"]})


def test_an_example_falls_short_of_what_its_type_has_to_meet_for_a_listed_reason() -> None:
    profiles = Definitions((), Schemas(load_registry())).build_rules().profiles

    def falls_short(file: str) -> bool:
        canonicals = CAPABILITY.types[TYPES[file]].profiles
        resource = parse_json_object((SHARED / "corpus" / file).read_bytes())
        return not validate_profiles(resource, canonicals, profiles).is_valid

    found = {Path(file).stem for file in FILES if is_writable(TYPES[file]) and falls_short(file)}
    assert found == BELOW_PROFILES.keys()
    assert all(BELOW_PROFILES.values())


def test_what_is_listed_as_refused_is_in_the_corpus_and_exposed() -> None:
    stems = {Path(file).stem for file in FILES if is_writable(TYPES[file])}
    assert REFUSED.keys() <= stems
    assert all(row["why"] for row in REFUSED.values())


@pytest.mark.parametrize("file", TAKEN)
async def test_example_reads_back_as_it_was_written(
    file: str, corpus_client: httpx.AsyncClient, posted: dict[str, httpx.Response]
) -> None:
    place = posted[file].headers["location"].partition("/_history/")[0]
    # of a Binary, the resource and not what it holds
    headers = {"accept": "application/fhir+json"}
    first, second = [await corpus_client.get(place, headers=headers) for _ in range(2)]
    assert first.status_code == 200
    written, kept = normal_form((SHARED / "corpus" / file).read_bytes()), normal_form(first.content)
    assert without_what_the_server_assigns(kept) == without_what_the_server_assigns(written)
    assert second.content == first.content == posted[file].content


@pytest.mark.parametrize("file", TAKEN)
async def test_example_is_found_by_everything_it_says(
    file: str, corpus_client: httpx.AsyncClient, posted: dict[str, httpx.Response]
) -> None:
    resource = parse_json_object(posted[file].content)
    missed = []
    for name, value in questions(resource):
        answer = await corpus_client.get(f"/{TYPES[file]}", params={name: value, "_count": "1000", "_total": "none"})
        found = [entry["resource"]["id"] for entry in answer.json().get("entry", ())] if answer.is_success else []
        if resource["id"] not in found:
            missed.append((name, value, answer.status_code))
    assert missed == []


@pytest.mark.parametrize("file", TAKEN)
async def test_history_shows_the_example(
    file: str, corpus_client: httpx.AsyncClient, posted: dict[str, httpx.Response]
) -> None:
    place = posted[file].headers["location"].partition("/_history/")[0]
    bundle = dict(normal_form((await corpus_client.get(f"{place}/_history")).content))
    assert bundle["total"] == ("number", "1")
    entry = dict(bundle["entry"][0])
    assert entry["resource"] == normal_form(posted[file].content)
    assert dict(entry["request"]) == {"method": "POST", "url": TYPES[file]}


async def test_the_corpus_asks_of_every_kind_of_parameter(posted: dict[str, httpx.Response]) -> None:
    """A derivation that found nothing to ask would make the test above pass without asking."""
    kinds = {(name, row.code): row.type for name, rows in PARAMETERS.items() for row in rows}
    asked: dict[str, int] = {}
    for file in TAKEN:
        for name, _ in questions(parse_json_object(posted[file].content)):
            kind = kinds[TYPES[file], name]
            asked[kind] = asked.get(kind, 0) + 1
    assert asked.keys() == {"token", "string", "date", "quantity", "reference", "uri"}
    assert sum(asked.values()) > 2000


@pytest.mark.parametrize("resource_type", sorted({TYPES[file] for file in TAKEN}))
async def test_bundles_of_the_server_are_read_by_an_independent_reader(
    resource_type: str, corpus_client: httpx.AsyncClient, posted: dict[str, httpx.Response]
) -> None:
    """Resources are as their authors wrote them, and fhir.resources is R4B: the Bundle around them is ours."""
    assert posted
    for path in (f"/{resource_type}", f"/{resource_type}/_history"):
        bundle = (await corpus_client.get(path, params={"_count": "100"})).json()
        bare = [{**entry, "resource": {"resourceType": "Basic", "code": {"text": "x"}}} for entry in bundle["entry"]]
        assert len(Bundle.model_validate({**bundle, "entry": bare}).entry or ()) == len(bundle["entry"])
