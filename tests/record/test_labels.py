"""record/labels: a label is set and lifted in every spelling, and nothing else of a document changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.record.labels import contradicts, lift_label, set_label, visibility_of
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES, MASKED, VISIBILITY

Json = Any
LABELS = (MASKED, HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES)
SPELLINGS = (*LABELS, "masque_ps", "CONNEXION_SECRETE", "INVISIBLE_REP_LEGAUX", "N", "R", "autre")


def codings() -> st.SearchStrategy[Json]:
    systems = st.sampled_from((VISIBILITY, "urn:other"))
    return st.fixed_dictionaries({"system": systems, "code": st.sampled_from(SPELLINGS)})


@st.composite
def documents(draw: st.DrawFn) -> Json:
    """DocumentReferences with labels anywhere that labels may stand."""
    document: Json = {"resourceType": "DocumentReference", "status": "current", "meta": {"versionId": "3"}}
    concepts = draw(
        st.lists(st.fixed_dictionaries({"coding": st.lists(codings(), min_size=1, max_size=3)}), max_size=3)
    )
    security = draw(st.lists(codings(), max_size=2))
    document |= {"securityLabel": concepts} if concepts else {}
    document["meta"] |= {"security": security} if security else {}
    return document


@given(documents(), st.sampled_from(LABELS))
def test_a_label_that_is_set_is_there_and_the_others_stay(document: Json, label: str) -> None:
    changed = set_label(document, label)
    assert visibility_of(changed) == visibility_of(document) | {label}
    assert set_label(changed, label) is changed


@given(documents(), st.sampled_from(LABELS))
def test_a_label_that_is_lifted_is_nowhere_and_the_others_stay(document: Json, label: str) -> None:
    changed = lift_label(document, label)
    assert visibility_of(changed) == visibility_of(document) - {label}
    assert lift_label(changed, label) is changed
    assert changed["meta"]["versionId"] == "3"
    assert changed.get("securityLabel") != []


@given(documents(), st.sampled_from(LABELS))
def test_what_is_set_where_it_was_not_is_lifted_without_a_trace(document: Json, label: str) -> None:
    bare = lift_label(document, label)
    assert lift_label(set_label(bare, label), label) == bare


def test_masked_and_held_back_contradict_each_other() -> None:
    assert contradicts({MASKED, HIDDEN_FROM_PATIENT})
    assert not contradicts({MASKED, HIDDEN_FROM_REPRESENTATIVES})
