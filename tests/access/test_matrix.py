"""The habilitation matrix that is shipped: its shape, its coverage, the cells that are known."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from fhir_dmp.access.matrix import parse_matrix
from fhir_dmp.loader import data_folder, load_habilitation, load_shipped_definitions
from fhir_dmp.search.query import Nothing

Json = Any

TABLE = load_habilitation()
MATRIX = parse_matrix(TABLE)
SCHEMA = json.loads((data_folder("capability") / "habilitation.schema.json").read_text(encoding="utf8"))


def types_of_the_dmp() -> set[str]:
    """Every document type of the DMP: JDV_J66."""
    value_set = next(row for row in load_shipped_definitions() if row.get("id") == "JDV-J66-TypeCode-DMP")
    return {concept["code"] for include in value_set["compose"]["include"] for concept in include["concept"]}


def professions() -> set[str]:
    system = next(row for row in load_shipped_definitions() if row.get("id") == "TRE-G15-ProfessionSante")
    return {concept["code"] for concept in system["concept"]}


def test_the_table_has_the_shape_of_its_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(TABLE, SCHEMA)


def test_every_type_of_the_dmp_is_in_one_group() -> None:
    grouped = [code for group in TABLE["groups"].values() for code in group["documents"]]
    assert sorted(grouped) == sorted(set(grouped))
    assert types_of_the_dmp() <= set(grouped)


def test_professions_are_those_of_tre_g15() -> None:
    assert TABLE["professions"].keys() <= professions()


def test_a_doctor_may_read_everything_but_the_residence_certificate() -> None:
    assert types_of_the_dmp() - MATRIX.rows["10"].documents == {"ATTEST-RESID"} & types_of_the_dmp()


@pytest.mark.parametrize("code", ["80788-3", "75496-0", "83981-1", "83901-9", "68599-0", "EXPPAT_3"])
def test_a_dentist_may_not_read_what_is_reported(code: str) -> None:
    assert code not in MATRIX.rows["40"].documents
    assert any(cell["confidence"] == "reported" and not cell["permit"] for cell in TABLE["professions"]["40"]["cells"])


def test_a_profession_that_is_not_listed_may_read_nothing() -> None:
    assert MATRIX.clause("26") == Nothing()
    assert MATRIX.clause("") == Nothing()


def test_a_cell_of_one_type_goes_before_one_of_its_group() -> None:
    cells = [
        {"permit": True, "confidence": "assumed", "source": "s", "groups": ["g"]},
        {"permit": False, "confidence": "assumed", "source": "s", "documents": ["b"]},
    ]
    table = {
        "version": "1",
        "sources": {"s": "here"},
        "groups": {"g": {"documents": ["a", "b"], "resources": []}},
        "professions": {"10": {"display": "Médecin", "cells": cells}},
    }
    row = parse_matrix(table).rows["10"]
    assert (set(row.documents), set(row.refused_documents)) == ({"a"}, {"b"})


@pytest.mark.parametrize("change", [{"source": "nowhere"}, {"groups": ["nothing"]}])
def test_a_cell_that_names_what_is_not_there_is_refused(change: Json) -> None:
    cell = {"permit": True, "confidence": "assumed", "source": "press-2023", "groups": ["biology"], **change}
    table = {**TABLE, "professions": {"10": {"display": "Médecin", "cells": [cell]}}}
    with pytest.raises(ValueError, match="names a group or a source"):
        parse_matrix(table)
