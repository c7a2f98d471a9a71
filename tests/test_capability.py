"""/metadata says what is routed and searchable: no less, and no more. https://hl7.org/fhir/R4/http.html#capabilities."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_dmp.app import ALL_ROUTES
from fhir_dmp.interactions.routes import ROUTES
from fhir_dmp.loader import (
    data_folder,
    load_capability,
    load_definitions,
    load_registry,
    load_shipped_definitions,
    load_shipped_parameters,
)
from fhir_dmp.record.deciding import LABELLINGS
from fhir_dmp.spec.search_parameter import SearchParameter, parse_search_parameter
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure
from tests.rest.server import BASE_URL, FHIR_JSON, Server, run_server

Json = Any

CAPABILITY = load_capability()
REGISTRY = load_registry()
TYPES = sorted(CAPABILITY.types)
HIDDEN_TYPES = sorted(REGISTRY.resource_types - CAPABILITY.types.keys())
GUIDES = {(base, row["code"]): parse_search_parameter(row) for row in load_shipped_parameters() for base in row["base"]}
"""The search parameters of French guides, by type and code."""
OWN_SAMPLES = {"_text": "diabète", "_content": "diabète", "_filter": "_id eq a", "near": "48.85|2.35"}
SAMPLE = {
    "token": "true",
    "string": "a",
    "date": "2024",
    "number": "1",
    "quantity": "1",
    "reference": "Patient/1",
    "uri": "urn:x",
}
STRICT = {"prefer": "handling=strict"}
UNEXPOSED = {"interaction-unsupported", "type-unknown", "url-unknown", "operation-unknown", "method-not-allowed"}
OPERATIONS = [route for route in ALL_ROUTES.rows if route.operation]
R4 = "http://hl7.org/fhir/OperationDefinition/"
BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
DOCREF = {"name": "docref", "definition": "http://hl7.org/fhir/uv/ipa/OperationDefinition/docref"}
SUMMARY = {"name": "summary", "definition": "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"}
OURS = {
    kind: [{"name": name, "definition": f"https://fhir-dmp.fr/OperationDefinition/{name}"} for name in names]
    for kind, names in {
        "Patient": (
            "dmp-access-log",
            "dmp-attending",
            "dmp-authorize",
            "dmp-block",
            "dmp-close",
            "dmp-delete-request",
            "dmp-emergency-settings",
            "dmp-explain-access",
            "dmp-history",
            "dmp-name-administrator",
            "dmp-open",
            "dmp-qualify",
            "dmp-remove-administrator",
            "dmp-reopen",
            "dmp-status",
            "dmp-unblock",
            "dmp-unmerge",
        ),
        "AuditEvent": ("dmp-export",),
        "DocumentReference": ["dmp-cda", *(f"dmp-{labelling.code}" for labelling in LABELLINGS)],
    }.items()
}
"""The operations of ours that a type has."""
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription"
RESEND = {"name": "dmp-resend", "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-resend"}
MERGE = {"name": "merge", "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-merge"}
URLS = {
    "": "",
    "_search": "_search",
    "_history": "_history",
    "[type]": "{0}",
    "[type]/_search": "{0}/_search",
    "[type]/_history": "{0}/_history",
    "[type]/[id]": "{0}/absent",
    "[type]/[id]/_history": "{0}/absent/_history",
    "[type]/[id]/_history/[vid]": "{0}/absent/_history/1",
    "[compartment]/[id]/[type]": "Patient/absent/{0}",
    "[compartment]/[id]/[type]/_search": "Patient/absent/{0}/_search",
    "[compartment]/[id]/*": "Patient/absent/*",
    "[compartment]/[id]/*/_search": "Patient/absent/*/_search",
}


@pytest.fixture(scope="module")
async def statement(server: Server) -> Json:
    return (await server.client.get("metadata")).json()


@pytest.fixture(scope="module")
def types(statement: Json) -> dict[str, Json]:
    return {row["type"]: row for row in statement["rest"][0]["resource"]}


async def _send(client: httpx.AsyncClient, method: str, url: str) -> tuple[int, str]:
    """The status and (of an error) the code of a request whose content is as good as none."""
    patches = {"content-type": "application/json-patch+json"}
    headers = {} if url.endswith("_search") else patches if method == "PATCH" else {"content-type": FHIR_JSON}
    response = await client.request(method, url, content=b"" if url.endswith("_search") else b"{}", headers=headers)
    if response.status_code < 400:
        return response.status_code, ""
    return response.status_code, response.json()["issue"][0]["details"]["coding"][0]["code"]


async def test_the_statement_is_valid(statement: Json) -> None:
    """fhir.resources has read it already: check_answer of tests/rest/server.py."""
    assert validate_structure(statement, Schemas(REGISTRY)) == []


def test_each_profile_that_is_here_is_supported_and_what_every_resource_has_to_meet_comes_first(types: Json) -> None:
    listed = {name: entry["supportedProfile"] for name, entry in types.items() if "supportedProfile" in entry}
    shipped = [row for row in load_shipped_definitions() if row["resourceType"] == "StructureDefinition"]
    assert {url for urls in listed.values() for url in urls} == {row["url"] for row in shipped if row["type"] in types}
    assert listed["Patient"] == [
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient",
        "https://fhir-dmp.fr/StructureDefinition/dmp-patient",
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins",
    ]
    assert {name: tuple(urls[:1]) for name, urls in listed.items() if CAPABILITY.types[name].profiles} == {
        name: exposed.profiles for name, exposed in CAPABILITY.types.items() if exposed.profiles
    }


async def test_where_profiles_are_not_validated_none_is_supported(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    async with run_server(mongodb_uri, mongodb_client, VALIDATION="core") as server:
        assert "supportedProfile" not in (await server.client.get("metadata")).text


async def test_the_statement_lists_what_the_table_exposes(statement: Json, types: dict[str, Json]) -> None:
    table = json.loads((data_folder("capability") / "server.json").read_text(encoding="utf8"))
    listed = {name: {row["code"] for row in entry["interaction"]} for name, entry in types.items()}
    assert listed == {name: set(group["interaction"]) for group in table["groups"] for name in group["types"]}
    assert {row["code"] for row in statement["rest"][0]["interaction"]} == set(table["system"])
    assert list(types) == sorted(types)


@pytest.mark.parametrize("name", TYPES)
async def test_each_interaction_of_a_type_is_routed_as_listed(
    name: str, client: httpx.AsyncClient, types: Json
) -> None:
    listed = {row["code"] for row in types[name]["interaction"]}
    assert listed <= {route.interaction for route in ROUTES}
    for route in ROUTES:
        if "[type]" not in route.shape:
            continue
        status, code = await _send(client, route.method, URLS[route.shape].format(name))
        if route.interaction in listed:
            assert status != 405, route
            assert code not in UNEXPOSED, (route, code)
        else:
            assert (status, code) == (405, "interaction-unsupported"), route


async def test_each_interaction_of_the_system_is_routed_as_listed(client: httpx.AsyncClient, statement: Json) -> None:
    listed = {row["code"] for row in statement["rest"][0]["interaction"]}
    of_system = [route for route in ROUTES if "[type]" not in route.shape and route.shape != "DocumentReference"]
    routed = {route.interaction for route in of_system}
    assert listed - routed == {"batch", "transaction"}
    assert routed <= listed
    for route in of_system:
        assert (await _send(client, route.method, URLS[route.shape]))[0] == 200, route
    for kind in ("batch", "transaction"):
        response = await client.post(
            "", json={"resourceType": "Bundle", "type": kind}, headers={"content-type": FHIR_JSON}
        )
        assert (response.status_code, kind in listed) == (200, True)


@pytest.mark.parametrize("name", [*HIDDEN_TYPES, "Resource", "DomainResource", "HumanName", "Unheard", "patient"])
async def test_a_type_that_is_not_listed_has_no_interaction(name: str, client: httpx.AsyncClient, types: Json) -> None:
    assert name not in types
    for route in ROUTES:
        if "[type]" in route.shape:
            assert await _send(client, route.method, URLS[route.shape].format(name)) == (404, "type-unknown"), route


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("shape", sorted(URLS))
async def test_a_method_that_no_route_has_is_refused(method: str, shape: str, client: httpx.AsyncClient) -> None:
    if any((route.method, route.shape) == (method, shape) for route in ROUTES) or (method, shape) == ("POST", ""):
        return
    assert await _send(client, method, URLS[shape].format("Patient")) == (405, "method-not-allowed")


@pytest.mark.parametrize("name", ["", *TYPES])
async def test_each_operation_is_routed_as_listed(
    name: str, client: httpx.AsyncClient, statement: Json, types: Json
) -> None:
    entry = types[name] if name else statement["rest"][0]
    listed = {row["name"]: row["definition"] for row in entry["operation"]}
    routed = {route.operation for route in OPERATIONS if route.resource_type in ({name, "[type]"} if name else {""})}
    changing = set() if not name or "update" in CAPABILITY.types[name].interactions else {"meta-add", "meta-delete"}
    assert listed.keys() == routed - changing
    for route in OPERATIONS:
        url = route.shape.replace("[type]", name).replace("[id]", "absent")
        if route.resource_type in ({name, "[type]"} if name else {""}):
            code = (await _send(client, route.method, url))[1]
            assert (code in UNEXPOSED) == (route.operation in changing), route
            assert route.operation in changing or listed[route.operation] == route.definition


async def test_the_operations_are_those_of_r4_of_guides_and_of_ours(statement: Json, types: Json) -> None:
    assert statement["rest"][0]["operation"] == [
        {"name": "dmp-bulk-file", "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-bulk-file"},
        {
            "name": "dmp-bulk-import-errors",
            "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-bulk-import-errors",
        },
        {
            "name": "dmp-bulk-import-status",
            "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-bulk-import-status",
        },
        {"name": "dmp-bulk-status", "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-bulk-status"},
        {"name": "dmp-statistics", "definition": "https://fhir-dmp.fr/OperationDefinition/dmp-statistics"},
        {"name": "export", "definition": f"{BULK}/export"},
        {"name": "fhirpath", "definition": "https://fhir-dmp.fr/OperationDefinition/fhirpath"},
        {"name": "import", "definition": "https://fhir-dmp.fr/OperationDefinition/import"},
        {"name": "meta", "definition": f"{R4}Resource-meta"},
        {"name": "validate", "definition": f"{R4}Resource-validate"},
    ]
    special = {
        "ValueSet": ("expand", "validate-code"), "CodeSystem": ("lookup", "subsumes", "validate-code"),
        "Patient": ("everything", "match"), "Observation": ("lastn",), "Composition": ("document",),
    }  # fmt: skip
    exports = {name: {"name": "export", "definition": f"{BULK}/{name.lower()}-export"} for name in ("Patient", "Group")}
    published = {
        **OURS,
        "Patient": [*OURS["Patient"], MERGE, SUMMARY, exports["Patient"]],
        "Group": [exports["Group"]],
        "Subscription": [
            RESEND,
            *({"name": name, "definition": f"{BACKPORT}-{name}"} for name in ("events", "status")),
        ],
        "DocumentReference": [DOCREF, *OURS["DocumentReference"]],
    }
    for name, entry in types.items():
        own = [{"name": code, "definition": f"{R4}{name}-{code}"} for code in special.get(name, ())]
        changing = ("meta-add", "meta-delete") if "update" in CAPABILITY.types[name].interactions else ()
        own += [{"name": code, "definition": f"{R4}Resource-{code}"} for code in ("meta", "validate", *changing)]
        own += published.get(name, [])
        assert entry["operation"] == sorted(own, key=lambda row: row["name"])
    defined = {row["url"] for row in load_definitions("operations")}
    elsewhere = {row["definition"] for rows in published.values() for row in rows}
    of_system = {row["definition"] for row in statement["rest"][0]["operation"] if R4 not in row["definition"]}
    ours = {*of_system, *elsewhere}
    assert {route.definition for route in OPERATIONS} - defined == ours


@pytest.mark.parametrize(
    "url",
    ["$everything", "Patient/1/$match", "Observation/1/$everything", "Patient/$expand", "ValueSet/$lookup", "$expand",
     "CodeSystem/1/$lookup", "Unheard/$expand", "$fhirpath/$validate", "Patient/1/_history/1/$validate"],
)  # fmt: skip
async def test_an_operation_that_is_not_listed_is_not_routed(url: str, client: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        assert await _send(client, method, url) == (404, "operation-unknown")


@pytest.mark.parametrize("route", OPERATIONS, ids=lambda route: f"{route.method} {route.shape}")
async def test_an_operation_says_which_methods_it_takes(route: Json, client: httpx.AsyncClient) -> None:
    url = route.shape.replace("[type]", "Patient").replace("[id]", "absent")
    response = await client.put(url, json={"resourceType": "Parameters"}, headers={"content-type": FHIR_JSON})
    taken = {row.method for row in OPERATIONS if row.shape == route.shape}
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == (taken | {"HEAD"} if "GET" in taken else taken)


@pytest.mark.parametrize("name", ["Questionnaire", "Unheard"])
async def test_a_type_that_is_not_listed_has_no_operation(name: str, client: httpx.AsyncClient) -> None:
    assert await _send(client, "POST", f"{name}/$validate") == (404, "type-unknown")


@pytest.mark.parametrize("url", ["Patient/1/Observation/1", "_a$b", "Patient/_$"])
async def test_what_has_no_route_is_no_url(url: str, client: httpx.AsyncClient) -> None:
    assert await _send(client, "GET", url) == (404, "url-unknown")


async def test_each_compartment_is_routed_as_listed(client: httpx.AsyncClient, statement: Json) -> None:
    listed = {url.rpartition("/")[2] for url in statement["rest"][0]["compartment"]}
    for name in TYPES:
        status, code = await _send(client, "GET", f"{name}/1/*")
        assert (status, code) == ((200, "") if name.lower() in listed else (404, "compartment-unknown")), name
    assert len(listed) == 5


def _sample(parameter: SearchParameter) -> str:
    """A value that the parameter takes."""
    if parameter.code in OWN_SAMPLES:
        return OWN_SAMPLES[parameter.code]
    definitions = [REGISTRY.search_parameter(component.definition) for component in parameter.components]
    return "$".join(SAMPLE[row.type] for row in definitions if row) or SAMPLE[parameter.type]


@pytest.mark.parametrize("name", TYPES)
async def test_each_search_parameter_of_a_type_is_accepted_as_listed(
    name: str, client: httpx.AsyncClient, types: Json
) -> None:
    listed = {row["name"]: row for row in types[name]["searchParam"]}
    for code, row in listed.items():
        known = REGISTRY.search_parameters(name).get(code) or GUIDES[name, code]
        assert (row["definition"], row["type"]) == (known.url, known.type)
        response = await client.get(name, params={code: _sample(known)})
        assert response.status_code == 200, response.text
        link = response.json()["link"][0]["url"]
        assert code in dict(httpx.URL(link).params), code
    defined = REGISTRY.search_parameters(name).keys()
    others = {*defined, "_has", "_include", "_revinclude", "unheard"}
    for code in others - listed.keys():
        response = await client.get(name, params={code: "a"}, headers=STRICT)
        assert response.status_code == 400, (code, response.text)
        found = response.json()["issue"][0]["details"]["coding"][0]["code"]
        assert found == ("parameter-query" if code == "_query" else "parameter-unknown"), code


async def test_parameters_that_are_left_out_are_not_listed(types: Json) -> None:
    listed = {name: {row["name"] for row in entry["searchParam"]} for name, entry in types.items()}
    assert all(codes.isdisjoint(CAPABILITY.types[name].unsupported) for name, codes in listed.items())
    assert "_content" in listed["Patient"]
    assert "_content" not in listed["AuditEvent"]
    assert all({"_id", "_lastUpdated"} <= {row["name"] for row in entry["searchParam"]} for entry in types.values())


async def test_exactly_the_includes_that_are_listed_are_taken(client: httpx.AsyncClient, types: Json) -> None:
    listed = {row for entry in types.values() for row in entry.get("searchInclude", ())}
    assert {"Observation:subject", "Observation:*", "Provenance:target", "Patient:link"} <= listed
    assert "Provenance:target" in types["Observation"]["searchRevInclude"]
    assert {row for entry in types.values() for row in entry.get("searchRevInclude", ())} == listed
    for name, entry in types.items():
        for parameter, key in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
            offered = entry.get(key, [])
            for start in range(0, len(offered), 30):
                asked = {"_id": "none", parameter: offered[start : start + 30]}
                response = await client.get(name, params=asked, headers=STRICT)
                assert response.status_code == 200, (name, response.text)
        for known in REGISTRY.search_parameters(name).values():
            if f"{name}:{known.code}" not in listed:
                response = await client.get(name, params={"_include": f"{name}:{known.code}"}, headers=STRICT)
                assert response.status_code == 400, (name, known.code)


async def test_parameters_of_every_type_are_accepted_as_listed(client: httpx.AsyncClient, statement: Json) -> None:
    assert [row["name"] for row in statement["rest"][0]["searchParam"]] == ["_list", "_has"]
    for name in ("Patient", ""):
        assert (await client.get(name, params={"_list": "none"})).status_code == 200
        assert (await client.get(name, params={"_has:Observation:patient:code": "none"})).status_code == 200


async def test_writable_and_read_only_types_say_how_they_are_written(types: Json) -> None:
    lists = ("interaction", "searchParam", "operation", "searchInclude", "searchRevInclude", "supportedProfile")
    assert types["Patient"] | {key: [] for key in lists} == {
        "supportedProfile": [],
        "searchInclude": [],
        "searchRevInclude": [],
        "type": "Patient",
        "profile": "http://hl7.org/fhir/StructureDefinition/Patient",
        "documentation": "The record itself: what professionals and patients write and read.",
        "interaction": [],
        "searchParam": [],
        "operation": [],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical", "local"],
    }
    audit = types["AuditEvent"]
    assert [audit[key] for key in ("conditionalCreate", "conditionalUpdate", "updateCreate")] == [False, False, False]
    assert (audit["conditionalDelete"], audit["versioning"]) == ("not-supported", "versioned")


async def test_listed_formats_are_served_and_no_others(client: httpx.AsyncClient, statement: Json) -> None:
    assert statement["implementation"]["url"] == BASE_URL
    for wanted in statement["format"]:
        assert (await client.get("metadata", params={"_format": wanted})).status_code == 200
    for wanted in ("ttl", "text/turtle", "html", "ndjson"):
        assert (await client.get("metadata", params={"_format": wanted})).status_code == 406
    assert statement["patchFormat"] == [
        "application/json-patch+json",
        "application/merge-patch+json",
        FHIR_JSON,
        "application/fhir+xml",
    ]
    for media_type in ("application/xml-patch+xml", "text/plain"):
        headers = {"content-type": media_type}
        assert (await client.patch("Patient/1", content=b"[]", headers=headers)).status_code == 415


async def test_a_summary_of_the_statement_is_marked_as_one(client: httpx.AsyncClient, statement: Json) -> None:
    short = (await client.get("metadata?_summary=true")).json()
    assert short["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert len(str(short)) < len(str(statement))
