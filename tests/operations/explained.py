"""The world of tests/cases/operations/explain-access.yaml: who is in it, and how an answer is told in short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.rest.server import FHIR_JSON, Server, Tokens
from tests.strategies.access import SYSTEMS, concept, consent, reference

Json = Any

WORLD: Json = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "operations" / "explain-access.yaml").read_text(encoding="utf8")
)
PATIENT, MINOR = "jeanne", "lea"


async def store_world(server: Server) -> None:
    """Stores all resources and Consents of the world."""
    made = [build_consent(name, row) for name, row in WORLD["consents"].items()]
    for resource in [*WORLD["resources"], *made]:
        url = f"{resource['resourceType']}/{resource['id']}"
        response = await server.client.put(url, json=resource, headers={"content-type": FHIR_JSON})
        assert response.status_code in {200, 201}, response.text


def build_consent(name: str, row: Json) -> Json:
    """A Consent of a short form."""
    made = {**consent(name, row["provision"]), "patient": reference(f"Patient/{row.get('patient', PATIENT)}")}
    made["category"] = [concept("http://loinc.org", "59284-0")]
    if "hidden" in row:
        made["meta"] = {"security": [{"system": SYSTEMS["vis"], "code": row["hidden"]}]}
    return made


def build_draft(row: Json) -> Json:
    """A Consent that is not saved: it has no id unless it replaces one."""
    made = {**build_consent(row.get("id", ""), row), "status": "draft"}
    return made if "id" in row else {key: value for key, value in made.items() if key != "id"}


def sign(tokens: Tokens, who: str, patient: str) -> dict[str, str]:
    """The token of one of those who ask; of the server itself none."""
    makers: dict[str, Callable[[], dict[str, str]]] = {
        "patient": lambda: tokens.patient(patient),
        "other": lambda: tokens.patient(MINOR),
        "narrow": lambda: tokens.patient(patient, scope="patient/Patient.rs patient/AllergyIntolerance.rs"),
        "representative": lambda: tokens.representative(patient),
        "mother": lambda: tokens.representative(patient),
        "helper": lambda: tokens.helper(patient),
        "hospital": lambda: tokens.hospital("990000200"),
        "administrator": tokens.administrator,
        "auditor": tokens.auditor,
        "practitioner": lambda: tokens.practitioner("99900000022", "10"),
        "attending": lambda: tokens.practitioner("99900000011", "10"),
    }
    return makers[who]() if who != "system" else {}


async def ask(client: httpx.AsyncClient, patient: str, given: Json, draft: Json, headers: dict[str, str]) -> list[Json]:
    """Asks by POST, and without a draft by GET too; returns the responses."""
    url = f"Patient/{patient}/$dmp-explain-access"
    pairs = [(name, str(one).lower() if isinstance(one, bool) else one) for name, one in _flat(given)]
    rows: list[Json] = [_parameter(name, one) for name, one in _flat(given)]
    if draft:
        rows.append({"name": "consent", "resource": draft})
    body = {"resourceType": "Parameters"} | ({"parameter": rows} if rows else {"id": "x"})
    sent = [await client.post(url, json=body, headers={**headers, "content-type": FHIR_JSON})]
    return sent if draft else [*sent, await client.get(url, params=pairs, headers=headers)]


def _flat(given: Json) -> list[tuple[str, Json]]:
    return [(name, one) for name, value in given.items() for one in (value if isinstance(value, list) else [value])]


def _parameter(name: str, value: Json) -> Json:
    if isinstance(value, bool):
        return {"name": name, "valueBoolean": value}
    is_reference = name in {"professional", "item"} and "/" in value
    return (
        {"name": name, "valueReference": {"reference": value}} if is_reference else {"name": name, "valueString": value}
    )


def parts(row: Json) -> dict[str, Json]:
    """The values of the parts that appear once, by name."""
    return {part["name"]: next((part[key] for key in part if key != "name"), None) for part in row.get("part", ())}


def tell(row: Json) -> str:
    """A decision in short: `+consent@acces`."""
    found = parts(row)
    named = found.get("consent", {})
    by = named.get("display") or named.get("reference", "").removeprefix("Consent/")
    return f"{'+' if found['permitted'] else '-'}{found['rule']['code']}{'@' if by else ''}{by}"


def tell_items(rows: list[Json]) -> dict[str, str]:
    """Each item with its decision."""
    return {parts(row)["reference"]["reference"]: tell(row) for row in rows if row["name"] == "item"}


def tell_classes(rows: list[Json]) -> dict[str, str]:
    """Each class with permitted/items."""
    found = {}
    for row in (row for row in rows if row["name"] == "class"):
        told = parts(row)
        name = f"{told['type']} {told['class']['code']}" if "class" in told else told["type"]
        found[name] = f"{told['permitted']}/{told['items']}"
    return found


def tell_changes(rows: list[Json]) -> dict[str, list[str]]:
    """Each item that changes, with its decisions before and after."""
    found = {}
    for row in (row for row in rows if row["name"] == "change"):
        by_name = {part["name"]: part for part in row["part"]}
        name = by_name["reference"]["valueReference"]["reference"]
        found[name] = [tell(by_name[when]) for when in ("before", "after")]
    return found


def one(rows: list[Json], name: str) -> Json:
    """The only row of a name."""
    (found,) = (row for row in rows if row["name"] == name)
    return found
