"""What holds for every snapshot, and what hostile definitions end in."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.loader import load_definitions
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.snapshot import Snapshots, generate_snapshot

BASE = "http://hl7.org/fhir/StructureDefinition/"
R4 = {definition["url"]: definition for definition in load_definitions("structures")}
TYPES = sorted(
    definition["type"]
    for definition in R4.values()
    if definition.get("derivation") == "specialization" and definition["kind"] != "logical"
)


def _look_up(canonical: str) -> JsonObject | None:
    return R4.get(canonical.partition("|")[0])


def _profile(base: str, rows: Json) -> JsonObject:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/profile",
        "type": base,
        "baseDefinition": BASE + base,
        "derivation": "constraint",
        "differential": {"element": rows},
    }


def _rows(profile: JsonObject) -> list[JsonObject]:
    rows: list[JsonObject] = generate_snapshot(profile, _look_up)["snapshot"]["element"]
    return rows


def _refusal(profile: JsonObject) -> FhirError:
    with pytest.raises(FhirError) as refused:
        _rows(profile)
    return refused.value


@pytest.mark.parametrize("name", TYPES)
def test_a_differential_that_repeats_its_base_changes_nothing(name: str) -> None:
    rows = R4[BASE + name]["snapshot"]["element"]
    assert _rows(_profile(name, [_without_profiles(row) for row in rows])) == rows


def _without_profiles(row: JsonObject) -> JsonObject:
    """The row without types that have a profile: naming that adds the profile's constraints, also a second time."""
    has_profile = any("profile" in item for item in row.get("type", ()))
    return {key: value for key, value in row.items() if not (has_profile and key == "type")}


@pytest.mark.parametrize("name", TYPES)
def test_a_differential_of_the_root_alone_leaves_the_rest_of_the_base(name: str) -> None:
    rows = _rows(_profile(name, [{"path": name, "short": "Ours"}]))
    assert rows[0]["short"] == "Ours"
    assert rows[1:] == R4[BASE + name]["snapshot"]["element"][1:]


@given(st.lists(st.sampled_from(R4[BASE + "Observation"]["snapshot"]["element"]), max_size=12, unique_by=id))
@settings(max_examples=50)
def test_the_order_of_the_differential_does_not_matter(chosen: list[JsonObject]) -> None:
    rows = [{"id": row["id"], "path": row["path"], "mustSupport": True} for row in chosen]
    assert _rows(_profile("Observation", rows)) == _rows(_profile("Observation", rows[::-1]))


_NAMES = [
    "Patient",
    "identifier",
    "name",
    "family",
    "contact",
    "deceased[x]",
    "deceasedBoolean",
    "extension",
    "value[x]",
]
_PATHS = st.lists(st.sampled_from(_NAMES), max_size=4).map(lambda names: ".".join(["Patient", *names]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "*", "2", "Patient", BASE + "Patient"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["code", "url", "key", "rules"]), inner)
    ),
    max_leaves=4,
)
_TYPES = st.lists(
    st.fixed_dictionaries(
        {"code": st.sampled_from(["Extension", "HumanName", "string", "boolean", "Reference", "nowhere"])},
        optional={"profile": st.just([BASE + "patient-birthPlace"]) | _JSON, "_profile": _JSON},
    ),
    max_size=2,
)
_ROW = st.fixed_dictionaries(
    {"path": _PATHS},
    optional={
        "id": st.sampled_from(["Patient.identifier:a", "Patient.name:b.family", "Patient.deceased[x]"]) | _JSON,
        "sliceName": st.sampled_from(["a", "a/b", "deceasedBoolean"]) | _JSON,
        "slicing": st.just({"rules": "open"}) | _JSON,
        "type": _TYPES | _JSON,
        "min": st.integers(0, 2) | _JSON,
        "max": st.sampled_from(["0", "1", "*"]) | _JSON,
        "binding": _JSON,
        "constraint": _JSON,
        "extension": _JSON,
        "contentReference": st.sampled_from(["#Patient.contact", "#Nowhere.at.all"]) | _JSON,
        "alias": _JSON,
        "definition": _JSON,
    },
)


@given(st.lists(_ROW, max_size=6) | _JSON, st.sampled_from(["Patient", "Extension", "nowhere"]))
@settings(max_examples=400)
def test_any_differential_ends_in_a_snapshot_or_an_issue(rows: Json, base: str) -> None:
    profile = _profile(base, rows)
    before = orjson.dumps(profile)
    found = _rows_or_issues(profile)
    if isinstance(found, FhirError):
        assert all(issue.message and issue.expression for issue in found.issues)
    else:
        _assert_consistent(found)
    assert orjson.dumps(profile) == before


def _rows_or_issues(profile: JsonObject) -> list[JsonObject] | FhirError:
    try:
        return _rows(profile)
    except FhirError as refused:
        return refused


def _assert_consistent(rows: list[JsonObject]) -> None:
    """Each id once and after that of its parent, each path what the id says, each minimum within its maximum."""
    seen: set[str] = set()
    for row in rows:
        assert row["id"] not in seen
        seen.add(row["id"])
        parent = row["id"].rpartition(".")[0]
        assert not parent or parent in seen
        assert row["path"] == ".".join(part.partition(":")[0] for part in row["id"].split("."))
        assert row.get("max", "*") == "*" or row.get("min", 0) <= int(row["max"])


@given(st.dictionaries(st.sampled_from(["url", "version", "baseDefinition", "differential", "snapshot"]), _JSON))
def test_any_definition_ends_in_a_snapshot_or_an_issue(damage: JsonObject) -> None:
    found = _rows_or_issues(_profile("Patient", [{"path": "Patient"}]) | damage)
    assert found.issues if isinstance(found, FhirError) else found


_SLICED = {
    "path": "Patient.identifier",
    "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"},
}


def _slices(count: int, prefix: str = "") -> list[JsonObject]:
    return [{"path": "Patient.identifier", "sliceName": f"{prefix}{number}"} for number in range(count)]


def test_a_hundred_thousand_elements_are_refused() -> None:
    refused = _refusal(_profile("Patient", [_SLICED, *_slices(100_000)]))
    assert (refused.category, refused.issues[0].code) == (Category.TOO_COSTLY, "snapshot-too-large")


def test_a_differential_that_grows_beyond_the_limit_is_refused() -> None:
    walks = [row for part in _slices(10_000) for row in (part, {"path": "Patient.identifier.system", "min": 1})]
    assert _refusal(_profile("Patient", [_SLICED, *walks])).category is Category.TOO_COSTLY


@pytest.mark.parametrize("prefix", ["", "one/"])
def test_ten_thousand_slices_are_one_snapshot(prefix: str) -> None:
    first = {"path": "Patient.identifier", "sliceName": "one", "slicing": {"rules": "open"}}
    rows = _rows(_profile("Patient", [_SLICED, first, *_slices(10_000, prefix)]))
    assert len(rows) == len(R4[BASE + "Patient"]["snapshot"]["element"]) + 10_001


def test_ten_thousand_unknown_elements_are_a_hundred_issues() -> None:
    rows = [{"path": f"Patient.deceasedX{number}"} for number in range(10_000)]
    assert len(_refusal(_profile("Patient", rows)).issues) == 100


def test_elements_within_elements_beyond_the_limit_are_refused() -> None:
    path = "Questionnaire" + ".item" * 5_000
    assert _refusal(_profile("Questionnaire", [{"path": path}])).issues[0].code == "snapshot-too-deep"


def test_as_many_levels_as_the_limit_permits_are_walked_into() -> None:
    path = "Questionnaire" + ".item" * 23 + ".linkId"
    assert path in {row["path"] for row in _rows(_profile("Questionnaire", [{"path": path}]))}


def test_a_chain_of_bases_beyond_the_limit_is_refused() -> None:
    chain = {f"http://example.org/{number}": f"http://example.org/{number + 1}" for number in range(1_000)}
    known = {
        url: _profile("Patient", [{"path": "Patient"}]) | {"url": url, "baseDefinition": base}
        for url, base in chain.items()
    }
    with pytest.raises(FhirError) as refused:
        generate_snapshot(known["http://example.org/0"], known.get)
    assert refused.value.issues[0].code == "snapshot-base-circular"


def test_definitions_that_wait_for_one_another_beyond_the_limit_are_refused() -> None:
    def look_up(canonical: str) -> JsonObject | None:
        number = canonical.removeprefix("http://example.org/")
        return _walking_extension(int(number)) if number.isdecimal() else _look_up(canonical)

    with pytest.raises(FhirError) as refused:
        generate_snapshot(_walking_extension(0), look_up)
    assert refused.value.issues[0].code == "snapshot-circular"


def _walking_extension(number: int) -> JsonObject:
    """An extension that walks into the next one."""
    part = {"path": "Extension.extension", "sliceName": "next"}
    following = {"type": [{"code": "Extension", "profile": [f"http://example.org/{number + 1}"]}]}
    rows = [{"path": "Extension"}, part | following, {"path": "Extension.extension.url", "min": 1}]
    return _profile("Extension", rows) | {"url": f"http://example.org/{number}"}


def test_a_type_without_differential_keeps_its_snapshot() -> None:
    patient = R4[BASE + "Patient"]
    assert generate_snapshot(patient, _look_up) is patient


def test_snapshots_of_one_generator_share_what_their_bases_need() -> None:
    looked_up: list[str] = []

    def look_up(canonical: str) -> JsonObject | None:
        looked_up.append(canonical)
        return _look_up(canonical)

    snapshots = Snapshots(look_up)
    first = snapshots.generate(_profile("Patient", [{"path": "Patient.name.family", "min": 1}]))
    counted = len(looked_up)
    second = snapshots.generate(_profile("Patient", [{"path": "Patient.name.family", "min": 1}]))
    assert first == second
    assert len(looked_up) == counted
