"""Pro Santé Connect's userinfo, spelled as it is: one situation d'exercice at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication.fault import RequesterUnknown
from fhir_dmp.authentication.judgement import Rules, build_requester
from fhir_dmp.authentication.pro_sante_connect import read_situations, read_userinfo
from tests.authentication.signing import BASE_URL
from tests.authentication.userinfo import USERINFO, activity, practice


def _with(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**USERINFO, **changed}.items() if value is not None}


def _practices(*practices: Any) -> dict[str, Any]:
    return _with(SubjectRefPro={"exercices": list(practices)})


CABINET = activity("R10000000123456", "990000100", "SA07")
HOSPITAL = activity("F990000028", "990000028", "SA01")


def test_professional_is_read_from_his_only_situation() -> None:
    statement = read_userinfo(USERINFO)
    requester = build_requester(statement, Rules(), BASE_URL)
    assert requester.kind is Kind.PRACTITIONER
    assert (requester.rpps, requester.profession, requester.specialty) == ("99900000011", "10", "SM54")
    assert (requester.organization, requester.display) == ("990000100", "Hélène Carpentier")
    assert statement.sectors == ("SA07",)
    assert not requester.is_regulator


@pytest.mark.parametrize(
    ("value", "expected"),
    [("VRAI", True), ("FAUX", False), ("vrai", False), ("true", False), (True, False), (None, False)],
)
def test_regulation_is_granted_by_vrai_alone(value: Any, expected: bool) -> None:
    assert read_userinfo(_with(Acces_Regulation_Medicale=value)).is_regulator is expected


def test_claim_that_is_spelled_otherwise_grants_nothing() -> None:
    assert not read_userinfo(_with(Acces_Regulation_Medicale=None, Access_Regulation_Medicale="VRAI")).is_regulator


@pytest.mark.parametrize(
    ("practices", "chosen", "expected"),
    [
        ([practice("10", "SM54", CABINET, HOSPITAL)], "990000100", ("10", "990000100")),
        ([practice("10", "SM54", CABINET, HOSPITAL)], "F990000028", ("10", "990000028")),
        ([practice("10", "SM54", CABINET), practice("21", "", HOSPITAL)], "990000028", ("21", "990000028")),
        ([practice("10", "SM54", CABINET), practice("21", "", CABINET)], "21@990000100", ("21", "990000100")),
        ([practice("10", "SM54", CABINET)], "990000100", ("10", "990000100")),
        ([practice("10", "SM54", CABINET, CABINET)], "", ("10", "990000100")),
        ([practice("10", "SM54")], "", ("10", "")),
    ],
)
def test_one_situation_is_chosen(practices: list[Any], chosen: str, expected: tuple[str, str]) -> None:
    statement = read_userinfo(_practices(*practices), chosen)
    assert (statement.professions, statement.organization) == ((expected[0],), expected[1])


@pytest.mark.parametrize(
    ("practices", "chosen", "message"),
    [
        ([practice("10", "SM54", CABINET, HOSPITAL)], "", "several"),
        ([practice("10", "SM54", CABINET), practice("21", "", HOSPITAL)], "", "several"),
        ([practice("10", "SM54", CABINET), practice("21", "", CABINET)], "990000100", "several"),
        ([practice("10", "SM54", CABINET)], "990000028", "none of this person's"),
        ([practice("10", "SM54", CABINET)], "21@990000100", "none of this person's"),
        ([practice("10", "SM54")], "@", "none of this person's"),
    ],
)
def test_situations_are_never_put_together(practices: list[Any], chosen: str, message: str) -> None:
    with pytest.raises(RequesterUnknown, match=message):
        read_userinfo(_practices(*practices), chosen)


def test_without_practices_the_members_of_userinfo_count() -> None:
    statement = read_userinfo(_with(SubjectRefPro=None))
    assert (statement.professions, statement.organization, statement.sectors) == (("10",), "990000100", ("SA07",))


def test_without_practices_two_roles_are_two_situations() -> None:
    userinfo = _with(SubjectRefPro=None, SubjectRole=["10^1.2.250.1.213.1.1.5.5", "21^1.2.250.1.213.1.1.5.5"])
    assert [situation.profession for situation in read_situations(userinfo)] == ["10", "21"]
    with pytest.raises(RequesterUnknown, match="several"):
        read_userinfo(userinfo)


@pytest.mark.parametrize(
    "changed",
    [
        {"SubjectNameID": None},
        {"SubjectNameID": None, "preferred_username": None},
        {"SubjectNameID": "0123456789", "preferred_username": "0123456789"},
    ],
)
def test_rpps_number_is_found_where_it_is(changed: dict[str, Any]) -> None:
    assert read_userinfo(_with(**changed)).rpps == "99900000011"


@pytest.mark.parametrize(
    "others",
    [
        [],
        None,
        [{"identifiant": "99900000011", "origine": "ADELI"}],
        [{"identifiant": "99900000011", "origine": "RPPS"}, {"identifiant": "99900000029", "origine": "RPPS"}],
        [{"identifiant": 99900000011, "origine": "RPPS"}],
    ],
)
def test_person_without_one_rpps_number_is_refused(others: Any) -> None:
    with pytest.raises(RequesterUnknown, match="RPPS"):
        read_userinfo(_with(SubjectNameID="399", preferred_username=None, otherIds=others))


def test_occupational_physician_is_excluded() -> None:
    userinfo = _practices(practice("10", "SM25", CABINET))
    assert build_requester(read_userinfo(userinfo), Rules(), BASE_URL).kind is Kind.EXCLUDED


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(USERINFO)), ANYTHING, max_size=4))
def test_any_userinfo_is_read_or_refused(changed: dict[str, Any]) -> None:
    try:
        rpps = read_userinfo({**USERINFO, **changed}).rpps
    except RequesterUnknown:
        rpps = "refused"
    assert rpps


@given(ANYTHING)
def test_any_practices_are_read_or_refused(practices: Any) -> None:
    assert isinstance(read_situations({"SubjectRefPro": {"exercices": practices}}), list)
