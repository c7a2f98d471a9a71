"""Who plays in the demo (examples/README.md), and the token of each: those of README.md, then those of docs/guide."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.token import CLIENT, Wish, sign_grant
from fhir_dmp.issuer.grant import Grant, of_patient, of_professional, of_system
from fhir_dmp.issuer.identities import read_identities
from fhir_dmp.loader import data_folder

RECORD = "10-somme.json"
"""The record of the patient."""
HOURS = 4
"""How long the tokens are good: as long as emergency access is."""
_DIRECTORY = "00-annuaire.json"


@dataclass(frozen=True, slots=True)
class Role:
    """A part: the shell variable of his token, who he is, a professional's RPPS number, or the kind of a program.

    Without both of these he is the patient. `organization` is the FINESS number of a program's hospital.
    """

    variable: str
    who: str
    rpps: str = ""
    purpose: str = "TREAT"
    is_regulator: bool = False
    program: Kind | None = None
    organization: str = ""


CAST = (
    Role("MEDECIN", "Dr Hélène Carpentier, médecin traitant of Gérard Dubois-Lefèvre", "99900000011"),
    Role("INCONNU", "Dr Arnaud Puyvallée, pharmacist, a stranger to him", "99900000193"),
    Role("REGULATEUR", "Dr Benoît Saint-Aubin, regulator of the SAMU", "99900000060", "ETREAT", is_regulator=True),
    Role("PATIENT", "Gérard Dubois-Lefèvre himself"),
    Role("PHARMACIENNE", "Dr Thérèse Quéré, pharmacist of his care team", "99900000078"),
    Role("HOPITAL", "the system of the CHU de la Somme", program=Kind.HOSPITAL, organization="990000010"),
    Role("CAISSE", "an agent of the health insurance fund", program=Kind.ADMINISTRATOR),
)


def sign_cast(patient_id: str, base_url: str) -> dict[Role, str]:
    """Returns the token of each for the server of a base URL; raises CommandError."""
    wish = Wish(base_url, "", HOURS * 3600)
    entries = orjson.loads((data_folder("examples") / _DIRECTORY).read_bytes())["entry"]
    known = {identity.statement.rpps: identity.statement for identity in read_identities(entries)}
    return {role: sign_grant(_build_grant(role, known, patient_id), wish) for role in CAST}


def _build_grant(role: Role, known: dict[str, Statement], patient_id: str) -> Grant:
    if role.program:
        return of_system(role.program.value, role.variable.lower(), role.organization, ("system/*.cruds",))
    if not role.rpps:
        return of_patient(patient_id, CLIENT, ("patient/*.cruds",))
    if role.rpps not in known:
        raise CommandError(Exit.ENVIRONMENT, f"the directory of the demo does not name {role.who}")
    statement = replace(known[role.rpps], purposes=(role.purpose,), is_regulator=role.is_regulator)
    return of_professional(statement, CLIENT, ("user/*.cruds",))
