"""The elements of a document → its Header; a header that lacks what the French one has is refused.

CI-SIS, « Structuration minimale de documents de santé »; each element becomes what it is in the DMP's XDS metadata.
"""

from __future__ import annotations

import re
from datetime import tzinfo

from fhir_dmp.cda.actors import read_authenticator, read_authors, read_code, read_custodian, read_id, read_patient
from fhir_dmp.cda.body import Embedded, read_embedded, read_format
from fhir_dmp.cda.facts import Code, Header, Id
from fhir_dmp.cda.faults import NOTHING, Faults
from fhir_dmp.cda.node import Node
from fhir_dmp.cda.read import Tree
from fhir_dmp.record.document_type import class_of
from fhir_dmp.search.sensitivity import CONFIDENTIALITY

_TYPE_ID = ("2.16.840.1.113883.1.3", "POCD_HD000040")
"""That a document is of CDA release 2."""
_FRENCH = "1.2.250.1.213.1.1.1.1"
"""The template of the French header."""
_LABELS = frozenset("NRV")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SETTING = "performer/assignedEntity/representedOrganization/standardIndustryClassCode"


def read_header(tree: Tree, zone: tzinfo) -> tuple[Header, tuple[Embedded, ...]]:
    """Returns the header, and what is embedded in the document; times without zone are in `zone`.

    Raises FhirError (unprocessable) with all that is wrong, each with line, column and expression.
    """
    root, faults = tree.root, Faults()
    _check_kind(root, faults)
    code, act = read_code(faults.need(root, "code"), faults), _find_act(root, faults)
    period = faults.need(act, "effectiveTime")
    high = period.first("high")
    header = Header(
        identifier=read_id(faults.need(root, "id"), faults),
        type=code,
        class_code=_find_class(root, code, faults),
        title=faults.need_text(faults.need(root, "title")),
        created=_read_created(root, faults, zone),
        confidentiality=_read_confidentiality(root, faults),
        language=_read_language(root, faults),
        format=read_format(root, faults),
        patient=read_patient(root, faults, zone),
        authors=read_authors(root, faults),
        authenticator=read_authenticator(root, faults),
        custodian=read_custodian(root, faults),
        events=tuple(read_code(node, faults) for node in root.all("documentationOf/serviceEvent/code")),
        start=faults.read_moment(faults.need(period, "low"), zone),
        end=faults.read_moment(high, zone) if high else "",
        facility=_read_facility(root, faults),
        setting=read_code(faults.need(act, _SETTING), faults),
        replaced=_read_replaced(root, faults),
        orders=tuple(read_id(node, faults) for node in root.all("inFulfillmentOf/order/id")),
    )
    embedded = read_embedded(tree, faults)
    faults.check()
    return header, embedded


def _check_kind(root: Node, faults: Faults) -> None:
    kind = faults.need(root, "typeId")
    if kind is not NOTHING and (kind.value("root"), kind.value("extension")) != _TYPE_ID:
        faults.add(kind, f"typeId is not {' '.join(_TYPE_ID)}: this is not CDA release 2")
    if _FRENCH not in {node.value("root") for node in root.all("templateId")}:
        faults.add(root, f"there is no templateId {_FRENCH} of the CI-SIS", "templateId", "required")


def _find_act(root: Node, faults: Faults) -> Node:
    """Returns the act that the document is about: of several, the one that says in what setting it was done."""
    acts = list(root.all("documentationOf/serviceEvent"))
    main = [act for act in acts if act.first(_SETTING)]
    return next(iter(main or acts), None) or faults.need(root, "documentationOf/serviceEvent")


def _find_class(root: Node, code: Code, faults: Faults) -> str:
    found = class_of(code.system, code.code)
    if not found and code.code:
        node = root.first("code") or root
        faults.add(node, f"'{code.code[:32]}' is no type of document of the DMP (JDV_J66)", issue_type="code-invalid")
    return found


def _read_created(root: Node, faults: Faults, zone: tzinfo) -> str:
    node = faults.need(root, "effectiveTime")
    found = faults.read_moment(node, zone)
    if found and "T" not in found:
        faults.add(node, "the time at which the document was made has to have an hour")
    return found


def _read_confidentiality(root: Node, faults: Faults) -> str:
    node = faults.need(root, "confidentialityCode")
    code = read_code(node, faults)
    if node is not NOTHING and (code.system != CONFIDENTIALITY or code.code not in _LABELS):
        faults.add(node, "the confidentiality is N, R or V of 2.16.840.1.113883.5.25", issue_type="code-invalid")
    return code.code


def _read_language(root: Node, faults: Faults) -> str:
    node = faults.need(root, "languageCode")
    code = faults.need_value(node, "code")
    if code and not _LANGUAGE.fullmatch(code):
        faults.add(node, f"'{code[:32]}' is no language, such as fr-FR", issue_type="code-invalid")
    return code


def _read_facility(root: Node, faults: Faults) -> Code:
    path = "componentOf/encompassingEncounter/location/healthCareFacility/code"
    return read_code(faults.need(root, path), faults)


def _read_replaced(root: Node, faults: Faults) -> Id | None:
    """Returns what names the document that this one replaces, None where it replaces none."""
    related = list(root.all("relatedDocument"))
    for node in related[1:]:
        faults.add(node, "a document replaces one document")
    if not related:
        return None
    if related[0].value("typeCode") != "RPLC":
        faults.add(related[0], "of the relations between documents the DMP has RPLC alone", issue_type="code-invalid")
    return read_id(faults.need(related[0], "parentDocument/id"), faults)
