"""Code systems and value sets: the codes are those that were published, and the DMP's are all there."""

from __future__ import annotations

import re

import orjson
import pytest

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.loader import load_definitions
from tests.profiles.shipped import EXTENSIONS, FILES, PUBLISHED, SHARED, package, read, shipped, walk

IPS = "hl7.fhir.uv.ips-1.1.0"
FR_CORE = [*shipped("CodeSystem", "fr-core"), *shipped("ValueSet", "fr-core")]
INCLUDED = ("system", "version", "valueSet", "filter")


@pytest.mark.parametrize("resource", FR_CORE, ids=lambda resource: resource["id"])
def test_codes_are_those_of_the_published_package(resource: JsonObject) -> None:
    published = package(PUBLISHED["fr-core"])[resource["url"]]
    assert _content(resource) == _content(published)
    assert resource["status"] == published["status"]


def _content(resource: JsonObject) -> Json:
    if resource["resourceType"] == "CodeSystem":
        return [resource["content"], resource["caseSensitive"], _codes(resource)]
    return [[kind, *map(_part, resource["compose"].get(kind, ()))] for kind in ("include", "exclude")]


def _part(part: JsonObject) -> Json:
    return [{name: part[name] for name in INCLUDED if name in part}, _codes(part)]


def _codes(holder: JsonObject) -> list[str]:
    return [concept["code"] for concept in holder.get("concept", ())]


def test_all_terminology_of_fr_core_is_there() -> None:
    published = {
        url for url, row in package(PUBLISHED["fr-core"]).items() if row["resourceType"] != "StructureDefinition"
    }
    assert {resource["url"] for resource in FR_CORE} == published


def test_value_sets_of_ours_name_only_codes_that_their_code_systems_have() -> None:
    known = {row["url"]: set(_codes(row)) for row in shipped("CodeSystem")}
    parts = [part for row in shipped("ValueSet") for part in row["compose"]["include"] if part.get("system") in known]
    assert [
        (part["system"], code) for part in parts for code in _codes(part) if code not in known[part["system"]]
    ] == []


def _shared_table(path: str) -> JsonObject:
    file = SHARED / "packages" / path
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    table: JsonObject = orjson.loads(file.read_bytes())
    return table


@pytest.mark.parametrize(
    "path",
    [
        "dmp-types/CodeSystem-TRE-A03-ClasseDocument.json",
        "dmp-types/CodeSystem-TRE-A07-StatutVisibiliteDocument.json",
        "dmp-types/CodeSystem-TRE-R248-ModeAcces.json",
        "nos/CodeSystem-TRE-G15-ProfessionSante-20250328120000.json",
        "nos/CodeSystem-TRE-R38-SpecialiteOrdinale-20240531120000.json",
    ],
)
def test_codes_of_the_dmp_are_those_that_were_published(path: str) -> None:
    published = _shared_table(path)
    ours = next(row for row in shipped("CodeSystem", "dmp") if row["url"] == published["url"])
    assert [(row["code"], row["display"]) for row in ours["concept"]] == [
        (row["code"], row["display"]) for row in published["concept"]
    ]


def test_document_types_are_the_102_of_the_dmp_each_in_its_class() -> None:
    file = SHARED / "packages" / "dmp-types" / "type-class-dmp.tsv"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    rows = [tuple(line.split("\t")[:3]) for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    (table,) = shipped("ConceptMap", "dmp")
    pairs = [
        (group["source"], element["code"], target["code"])
        for group in table["group"]
        for element in group["element"]
        for target in element["target"]
    ]
    assert len(pairs) == 102
    assert sorted(pairs) == sorted(rows)


def test_document_types_and_classes_of_the_map_are_in_their_value_sets() -> None:
    (table,) = shipped("ConceptMap", "dmp")
    sets = {row["id"]: row["compose"]["include"] for row in shipped("ValueSet", "dmp")}
    types = {(part["system"], code) for part in sets["JDV-J66-TypeCode-DMP"] for code in _codes(part)}
    assert types == {(group["source"], row["code"]) for group in table["group"] for row in group["element"]}
    (classes,) = sets["JDV-J57-ClassCode-DMP"]
    used = {target["code"] for group in table["group"] for row in group["element"] for target in row["target"]}
    assert used == set(_codes(classes))


def test_emergency_purposes_are_break_glass_and_samu_regulation() -> None:
    (found,) = (row for row in shipped("ValueSet", "dmp") if row["id"] == "dmp-emergency-purpose")
    reasons, modes = found["compose"]["include"]
    assert (reasons["system"], _codes(reasons)) == (
        "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        ["ETREAT", "BTG"],
    )
    assert modes["system"].endswith("/TRE-R248-ModeAcces")
    assert _codes(modes) == ["bris_de_glace", "centre_15"]


OUTSIDE = re.compile(
    r"http://hl7\.org/fhir/5\.0/StructureDefinition/extension-"
    r"|http://terminology\.hl7\.org/ValueSet/"
    r"|https://profiles\.ihe\.net/ITI/MHD/"
    r"|https://interop\.esante\.gouv\.fr/ig/fhir/annuaire/"
    r"|https://mos\.esante\.gouv\.fr/NOS/JDV_J(02|03|04|06|07|10|79|81|89|91|105|106|107|245)[-_]"
)
"""Publishers whose artefacts are named by canonical only: their content is not in the reference."""


def test_what_is_named_is_shipped_or_known_to_be_elsewhere() -> None:
    urls = {read(path)["url"] for path in FILES} | package(EXTENSIONS).keys() | package(IPS).keys()
    urls |= {row["url"] for row in [*load_definitions("structures"), *load_definitions("terminology")] if "url" in row}
    named = {
        canonical.partition("|")[0]
        for path in FILES
        for item in walk(read(path).get("differential"))
        for canonical in [*item.get("profile", ()), *item.get("targetProfile", ()), item.get("valueSet", "")]
        if canonical
    }
    assert sorted(name for name in named - urls if not OUTSIDE.match(name)) == []
