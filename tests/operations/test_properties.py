"""What holds of the operations whatever they are asked."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.loader import data_folder, load_registry
from fhir_dmp.operations.evaluation import find_places
from tests.rest.server import FHIR_JSON

Json = Any

REGISTRY = load_registry()
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUE_SETS = [
    f"http://hl7.org/fhir/ValueSet/{name}"
    for name in ("administrative-gender", "name-use", "observation-status", "event-status", "identifier-use")
]


def _example_resources() -> list[Json]:
    bundles = [json.loads(path.read_text(encoding="utf8")) for path in sorted(data_folder("examples").glob("*.json"))]
    return [entry["resource"] for bundle in bundles for entry in bundle.get("entry", ())]


def test_the_place_of_an_object_is_an_expression_that_finds_it() -> None:
    resources = _example_resources()[:150]
    count = 0
    for resource in resources:
        name = resource["resourceType"]
        for identity, place in find_places(resource, name, model_of(REGISTRY)).items():
            found = compile_expression(place, model=REGISTRY, type_name=name).select(resource)
            assert [id(node.value) for node in found] == [identity], place
            count += 1
    assert count > len(resources) > 0


@MANY
@given(url=st.sampled_from(VALUE_SETS), offset=st.integers(0, 20), count=st.integers(0, 20))
async def test_a_page_is_a_part_of_the_whole_expansion(
    url: str, offset: int, count: int, client: httpx.AsyncClient
) -> None:
    whole = (await client.get("ValueSet/$expand", params={"url": url})).json()["expansion"]
    page = (await client.get("ValueSet/$expand", params={"url": url, "offset": offset, "count": count})).json()
    assert page["expansion"].get("contains", []) == whole["contains"][offset : offset + count]
    assert page["expansion"]["total"] == whole["total"] == len(whole["contains"])


@pytest.mark.parametrize("url", VALUE_SETS)
async def test_a_code_is_valid_where_the_expansion_has_it(url: str, client: httpx.AsyncClient) -> None:
    rows = (await client.get("ValueSet/$expand", params={"url": url})).json()["expansion"]["contains"]
    for row in rows:
        for code, wanted in ((row["code"], True), (f"{row['code']}-other", False)):
            asked = {"url": url, "system": row["system"], "code": code}
            answer = (await client.get("ValueSet/$validate-code", params=asked)).json()["parameter"]
            assert answer[0] == {"name": "result", "valueBoolean": wanted}, asked
            asked = {"system": row["system"], "code": code}
            assert (await client.get("CodeSystem/$lookup", params=asked)).status_code == (200 if wanted else 404)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "given", "id", "text", "meta", "_id", "extension"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@MANY
@given(resource=st.dictionaries(st.sampled_from(["name", "id", "text", "meta", "contact"]), _JSON, max_size=3))
async def test_whatever_is_validated_is_answered_with_an_outcome(resource: Json, client: httpx.AsyncClient) -> None:
    content = json.dumps({"resourceType": "Patient", **resource})
    response = await client.post("Patient/$validate", content=content, headers={"content-type": FHIR_JSON})
    assert (response.status_code, response.json()["resourceType"]) == (200, "OperationOutcome")


_STEPS = st.sampled_from(
    ["name", "given", "first()", "where($this.exists())", "count()", "descendants()", "toString()", "type()",
     "trace('t')", "select(name | given)", "resolve()", "extension('urn:x')", "join(',')", "as(string)", "children()",
     "repeat($this)", "single()", "contact", "lowBoundary()", "memberOf('urn:x')", "toQuantity()", "not()",
     "managingOrganization", "contained", "link.other", "communication.language", "subsumes(%resource)",
     "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "htmlChecks()", "$this", "ofType(Patient)"]
)  # fmt: skip


@MANY
@given(
    steps=st.lists(_STEPS, min_size=1, max_size=6),
    content=st.dictionaries(
        st.sampled_from(["name", "contained", "managingOrganization", "link", "communication", "text"]),
        _JSON | st.just([{"reference": "#a"}]) | st.just({"reference": "#a"}),
        max_size=4,
    ),
    context=_STEPS | st.just(""),
)
async def test_whatever_is_evaluated_is_answered_with_parameters_or_an_outcome(
    steps: list[str], content: Json, context: str, client: httpx.AsyncClient
) -> None:
    rows: list[Json] = [{"name": "expression", "valueString": ".".join(steps)}]
    rows += [{"name": "context", "valueString": context}] if context else []
    rows += [{"name": "resource", "resource": {"resourceType": "Patient", **content}}]
    body = json.dumps({"resourceType": "Parameters", "parameter": rows})
    response = await client.post("$fhirpath", content=body, headers={"content-type": FHIR_JSON})
    assert response.status_code in {200, 400, 422}
