"""What the tests of the trace share: requesters, accesses, an indexer, the rules that events are held against."""

from __future__ import annotations

from functools import cache

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.app import build_indexer
from fhir_dmp.audit.access import Access, Item, Recorder
from fhir_dmp.audit.event import build_events
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import load_registry
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.resource import Identity
from fhir_dmp.search.index import Indexer
from fhir_dmp.settings import read_settings
from fhir_dmp.validation.compiler import Schemas

BASE_URL = "http://testserver/fhir"
RECORDER = Recorder(BASE_URL)
BEGAN, NOW = 1_767_225_600_000, 1_767_225_600_120
DOCTOR = Requester(
    Kind.PRACTITIONER,
    "sub-1",
    client="logiciel-1",
    display="Dr Jeanne Roy",
    rpps="10100000007",
    profession="10",
    specialty="SM26",
    organization="750000018",
    purposes=frozenset({"TREAT"}),
    token_id="jti-1",
)
PATIENT = Requester(Kind.PATIENT, "sub-2", client="app-1", display="Marie Martin", patient_id="p-1", token_id="jti-2")
HOSPITAL = Requester(Kind.HOSPITAL, "chu", client="dpi", organization="750000018", token_id="jti-3")
ANYONE = Requester(Kind.SYSTEM, "open")


def item(number: int, patient: str = "p-1", **more: tuple[tuple[str, str], ...]) -> Item:
    """The third version of a document of a patient."""
    return Item(Identity("DocumentReference", f"d-{number}"), 3, patient, **more)


def access(requester: Requester = DOCTOR, interaction: str = "read", **more: object) -> Access:
    """An access to one document, unless `more` says otherwise."""
    members: dict[str, object] = {"items": (item(1),), **more}
    return Access(requester, interaction, "request-1", "192.0.2.7", BEGAN, NOW, **members)  # type: ignore[arg-type]  # a table of cases names the members


def event_of(number: int = 1, patient: str = "p-1") -> JsonObject:
    """One event."""
    return build_events(access(items=(item(number, patient),)), RECORDER)[0]


@cache
def rules() -> Rules:
    """R4 and the shipped profiles."""
    return Definitions((), Schemas(load_registry())).build_rules()


@cache
def indexer() -> Indexer:
    """The indexer of a server of that base URL."""
    return build_indexer(read_settings({"FHIR_DMP_BASE_URL": BASE_URL}))
