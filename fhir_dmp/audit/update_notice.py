"""The notice of an update that the patient does not see yet (CSP R1111-53).

Within two weeks of the deposit of what is held back from him, unless it was announced, the patient is told that his
record was updated, and invited to see a professional. A Communication, as of an emergency (notice.py). It tells of no
item and no author: what is held back would be known by them.
"""

from __future__ import annotations

from datetime import tzinfo
from hashlib import sha256

from fhir_dmp.audit.code import concept
from fhir_dmp.audit.notice import CATEGORY, CONFIDENTIALITY, ID_DIGITS
from fhir_dmp.audit.trace import write_day_and_time
from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Identity
from fhir_dmp.search.sensitivity import HIDDEN_FROM_REPRESENTATIVES, VISIBILITY

BEFORE_IT_OPENS: Milliseconds = 18 * 24 * 3_600_000
"""How long before it opens the patient is told: it opens after a month, so 10 to 13 days after its deposit."""


def notice_due(opens: Milliseconds, now: Milliseconds) -> Milliseconds:
    """Returns when the patient is told of what opens to him then: at once where it was deposited long ago."""
    return max(now, opens - BEFORE_IT_OPENS)


def write_update_notice_id(identity: Identity) -> str:
    """Returns the id of the notice: one for each item, whatever becomes of it."""
    return sha256(f"update\n{identity}".encode()).hexdigest()[:ID_DIGITS]


def build_update_notice(
    patient: str, opens: Milliseconds, now: Milliseconds, zone: tzinfo, *, is_secret: bool
) -> JsonObject:
    """Builds the notice, without id and version; `is_secret`: hidden from legal representatives, as the item is."""
    labels = [{"system": CONFIDENTIALITY, "code": "R"}]
    labels += [{"system": VISIBILITY, "code": HIDDEN_FROM_REPRESENTATIVES}] if is_secret else []
    text = (
        "Votre dossier médical partagé a été mis à jour. Pour prendre connaissance de cette mise à jour, vous êtes "
        "invité à consulter un professionnel de santé, notamment votre médecin traitant. Sans consultation d'ici là, "
        f"elle s'affichera dans votre dossier le {write_day_and_time(write_instant(opens), zone)}."
    )
    return {
        "resourceType": "Communication",
        "meta": {"security": labels},
        "status": "completed",
        "category": [concept(CATEGORY, "notification")],
        "priority": "routine",
        "subject": {"reference": f"Patient/{patient}"},
        "sent": write_instant(now),
        "recipient": [{"reference": f"Patient/{patient}"}],
        "payload": [{"contentString": text}],
    }
