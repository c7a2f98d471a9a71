"""Programs: how they are entered, what they keep, and that no text and no resource can break them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.lexer import MAX_LENGTH
from fhir_dmp.fhirpath.node import Node, Nodes, Scope
from fhir_dmp.json_text import FhirDecimal, Json, JsonObject
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import Category, FhirError

PATIENT = {"resourceType": "Patient", "id": "p", "active": True, "name": [{"family": "Dupont", "given": ["Ada"]}]}


def _select(expression: str, resource: JsonObject) -> list[Json]:
    program = compile_expression(expression, model=load_registry(), type_name=resource["resourceType"])
    return [node.value for node in program.select(resource)]


def test_a_program_is_kept() -> None:
    first = compile_expression("Patient.name", model=load_registry(), type_name="Patient")
    assert compile_expression("Patient.name", model=load_registry(), type_name="Patient") is first
    assert compile_expression("Patient.name", model=load_registry(), type_name="Resource") is not first


def test_branches_of_other_types_leave_no_code() -> None:
    both = compile_expression("Patient.name | Practitioner.name", model=load_registry(), type_name="Patient")
    alone = compile_expression("Patient.name | {}", model=load_registry(), type_name="Patient")
    assert both.source == alone.source
    nothing = compile_expression("Practitioner.name", model=load_registry(), type_name="Patient")
    assert nothing.source == "def main(x, n, i, t):\n return ()"


@pytest.mark.parametrize(
    ("expression", "type_name", "value", "expected"),
    [
        ("family.exists()", "HumanName", {"family": "Dupont"}, True),
        ("family.exists()", "HumanName", {}, False),
        ("name.exists() or organization.exists()", "Patient.contact", {"name": {}}, True),
        ("$this > 3", "decimal", FhirDecimal("3.5"), True),
        ("$this = 'a'", "string", "a", True),
        ("start <= end", "Period", {"start": "2020"}, None),
    ],
)
def test_a_program_starts_from_any_type(expression: str, type_name: str, value: Json, expected: bool | None) -> None:
    program = compile_expression(expression, model=load_registry(), type_name=type_name)
    assert program.holds(Scope(PATIENT), value) is expected


@pytest.mark.parametrize("value", ["text", [], 3, None])
def test_what_is_no_object_has_no_children(value: Json) -> None:
    program = compile_expression("family.exists()", model=load_registry(), type_name="HumanName")
    assert program.holds(Scope(PATIENT), value) is False


def test_a_primitive_focus_may_bring_its_extensions() -> None:
    program = compile_expression("extension.url", model=load_registry(), type_name="date")
    node = Node("2020", "date", {"extension": [{"url": "http://example.org/x"}]})
    assert [found.value for found in program.evaluate(PATIENT, context=node)] == ["http://example.org/x"]


def test_context_is_the_focus_and_resource_contains_it() -> None:
    program = compile_expression("%context.family | %resource.id", model=load_registry(), type_name="Patient.contact")
    assert [node.value for node in program.evaluate(PATIENT, context=Node({}, "Patient.contact"))] == ["p"]
    named = compile_expression("%context.family | %resource.id", model=load_registry(), type_name="HumanName")
    found = named.evaluate(PATIENT, context=Node({"family": "Dupont"}, "HumanName"))
    assert [node.value for node in found] == ["Dupont", "p"]


def test_root_resource_is_the_container_of_a_contained_one() -> None:
    program = compile_expression("%rootResource.id | %resource.id", model=load_registry(), type_name="Organization")
    inner = {"resourceType": "Organization", "id": "o"}
    found = program.run(Scope(inner, outermost=PATIENT), inner)
    assert [node.value for node in found] == ["p", "o"]


def test_variables_resolver_and_tracer_are_what_the_caller_gives() -> None:
    seen: list[tuple[str, list[Json]]] = []

    def trace(name: str, nodes: Nodes) -> None:
        seen.append((name, [node.value for node in nodes]))

    program = compile_expression(
        "(%given | managingOrganization.resolve().name).trace('both', length())",
        model=load_registry(),
        type_name="Patient",
    )
    found = program.evaluate(
        PATIENT | {"managingOrganization": {"reference": "Organization/1"}},
        variables={"given": [Node("x", "System.String")]},
        resolve={"Organization/1": {"resourceType": "Organization", "name": "CHU"}}.get,
        trace=trace,
    )
    assert [node.value for node in found] == ["x", "CHU"]
    assert seen == [("both", [1, 3])]


def test_terminology_and_profiles_are_what_the_caller_gives() -> None:
    coded = {"resourceType": "Observation", "code": {"coding": [{"code": "a"}, {"code": "b"}]}}
    text = (
        "code.memberOf('v') and code.coding[0].subsumes(code.coding[1]) and code.coding[1].subsumedBy(code.coding[0])"
        " and conformsTo('p') and code.coding.slice('s', 'n').count() = 1 and code.elementDefinition().min = 1"
    )
    program = compile_expression(text, model=load_registry(), type_name="Observation")
    found = program.evaluate(
        coded,
        member_of=lambda node, value_set: node.type_name == "CodeableConcept" and value_set == "v",
        subsumes=lambda general, special: general.value["code"] < special.value["code"],
        conforms_to=lambda node, profile: node.type_name == "Observation" and profile == "p",
        in_slice=lambda node, structure, name: node.value["code"] == "a" and (structure, name) == ("s", "n"),
        element_definition=lambda _node: {"path": "Observation.code", "min": 1},
    )
    assert [node.value for node in found] == [True]


def test_the_time_is_an_argument() -> None:
    program = compile_expression("today() = @2024-02-29", model=load_registry(), type_name="Patient")
    assert program.evaluate(PATIENT, now=datetime(2024, 2, 29, 23, tzinfo=UTC))[0].value is True
    with pytest.raises(FhirError, match="the time is not known"):
        program.evaluate(PATIENT)


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("active and nothing()", "character 12, at 'active and ⏵nothing()'"),
        ("name.where(given.single() = 'Ada' and family.upper() + 1 = 2)", "character 54"),
        ("name.given.single() = name.combine(name).single()", "character 42"),
        ("name.given.select(length() / 'a')", "character 28"),
    ],
)
def test_an_error_points_into_the_expression(expression: str, place: str) -> None:
    with pytest.raises(FhirError) as caught:
        _select(expression, PATIENT)
    assert place in caught.value.issues[0].message
    assert caught.value.issues[0].code == "fhirpath-invalid"


def test_an_error_does_not_tell_the_data() -> None:
    with pytest.raises(FhirError) as caught:
        _select("name.family + 1", PATIENT)
    assert "Dupont" not in caught.value.issues[0].message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("name.nothing", "HumanName has no element 'nothing'"),
        ("Observation.code", "the context is no Observation"),
        ("name.as(HumanName)", "a single item is needed"),
        ("descendants().last()", "needs an order"),
        ("deceasedBoolean", "Patient has no element 'deceasedBoolean'"),
    ],
)
def test_strict_refuses_what_the_types_rule_out(expression: str, message: str) -> None:
    doubled = PATIENT | {"name": [{}, {}]}
    _select(expression, doubled)
    with pytest.raises(FhirError, match=message):
        compile_expression(expression, model=load_registry(), type_name="Patient", strict=True).select(doubled)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(FhirError, match="there is no type Unicorn"):
        compile_expression("id", model=load_registry(), type_name="Unicorn")


@pytest.mark.parametrize(
    "expression",
    [
        " or ".join(["active"] * 1500),
        " and ".join(["name.exists()"] * 1000),
        " | ".join(["id"] * 2000),
        "1" + " + 1" * 4000,
        "-" * 5000 + "1",
        "name" + ".where(true)" * 1500,
        "contained" + ".contained" * 1500,
        "'a'" + " & 'a'" * 2000,
        "name" + "[0]" * 4000,
    ],
    ids=lambda text: text[:20],
)
def test_long_expressions_run(expression: str) -> None:
    _select(expression, PATIENT)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 2000 + "1" + ")" * 2000,
        "name.where(" * 1500 + "true" + ")" * 1500,
        "1 = 1 or " * 50 + "(" * 100 + "1" + ")" * 100,
        "1 implies 1 or 1 and 1 in 1 = 1 < 1 | 1 + 1 * (" * 40 + "1" + ")" * 40,
        "iif(true, " * 70 + "1" + ")" * 70,
        "name[" * 100 + "0" + "]" * 100,
    ],
    ids=lambda text: text[:20],
)
def test_nesting_is_bounded(expression: str) -> None:
    with pytest.raises(FhirError, match="nests deeper than 60 levels"):
        _select(expression, PATIENT)


@pytest.mark.parametrize(
    ("opening", "depth"),
    [("(", 59), ("name.where(", 59), ("iif(true, ", 59), ("true and (", 29), ("name.select($this | name.all(", 19)],
)
def test_nesting_within_the_bound_runs(opening: str, depth: int) -> None:
    _select(opening * depth + "true" + ")" * depth * opening.count("("), PATIENT)


def test_an_expression_has_a_greatest_length() -> None:
    with pytest.raises(FhirError, match="longer than") as caught:
        _select(" " * (MAX_LENGTH + 1) + "id", PATIENT)
    assert caught.value.category is Category.INVALID_PARAMETER


def test_routes_of_many_lists_fit_in_one_function() -> None:
    items: Json = [{"linkId": "deep"}]
    for _ in range(25):
        items = [{"item": items}]
    resource = {"resourceType": "Questionnaire", "item": items}
    assert _select("item" + ".item" * 25 + ".linkId", resource) == ["deep"]


WORDS = st.sampled_from(
    [
        "name",
        "given",
        "family",
        "active",
        "birthDate",
        "'a'",
        "1",
        "2.5",
        "@2020",
        "@T10",
        "5",
        "'mg'",
        "(",
        ")",
        ".",
        ",",
        "[",
        "]",
        "{",
        "}",
        "+",
        "-",
        "*",
        "/",
        "&",
        "|",
        "=",
        "!=",
        "~",
        "<",
        ">",
        "<=",
        ">=",
        "and",
        "or",
        "xor",
        "implies",
        "is",
        "as",
        "in",
        "contains",
        "not()",
        "where(",
        "select(",
        "exists()",
        "first()",
        "Patient",
        "string",
        "$this",
        "$index",
        "%resource",
        "resolve()",
        "children()",
        "descendants()",
        "toString()",
        "iif(",
        "extension(",
        "as(",
        "ofType(",
        "days",
        "div",
        "mod",
        "`x`",
        "\\",
        "'",
        "repeat(",
        "all(",
        "sort(",
    ]
)


def _refusal(expression: str, resource: JsonObject) -> Category | None:
    """The category of the FhirError that an expression ends in, None where it ends in none."""
    try:
        program = compile_expression(expression, model=load_registry(), type_name="Patient")
        program.evaluate(resource, now=datetime(2025, 1, 1, tzinfo=UTC))
    except FhirError as fault:
        return fault.category
    return None


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_any_words_are_a_program_or_refused(text: str) -> None:
    assert _refusal(text, PATIENT) in {None, Category.INVALID_PARAMETER}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_characters_are_a_program_or_refused(text: str) -> None:
    assert _refusal(text, PATIENT) in {None, Category.INVALID_PARAMETER}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([FhirDecimal("1E+400"), "2020-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "_given", "given", "reference", "extension", "value", "code", "resourceType", "url"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
EXPRESSIONS = [
    "Patient.name.given | name.family | contact.name.given", "descendants().count()", "name ~ name and name = name",
    "link.other.where(resolve() is Patient)", "birthDate < today() or birthDate + 1 year > now()", "deceased.exists()",
    "extension('x').value | name.extension.value", "multipleBirth + 1", "name.given.join(',')", "contained.id.upper()",
    "telecom.where(system = 'phone').value", "children().select(toString()).distinct()", "text.`div`.htmlChecks()",
    "name.checkModifiers('x')", "extension.value.ofType(Quantity) > 5 'mg'", "contact.descendants().as(code)",
    "name.repeat(extension).url", "address.sort(city).line.first()", "meta.security.code.isDistinct()",
]  # fmt: skip
KEYS = [
    "name", "contact", "link", "birthDate", "_birthDate", "deceasedBoolean", "extension", "multipleBirthInteger",
    "contained", "telecom", "text", "address", "meta", "id",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5), st.sampled_from(EXPRESSIONS))
def test_any_resource_is_evaluated_or_refused_and_left_as_it_was(resource: JsonObject, expression: str) -> None:
    before = json.dumps(resource, default=str)
    assert _refusal(expression, {"resourceType": "Patient", **resource}) in {None, Category.INVALID_PARAMETER}
    assert json.dumps(resource, default=str) == before
