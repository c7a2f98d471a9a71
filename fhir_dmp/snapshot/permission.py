"""Whether a differential may give an element the types it gives it: the element's own, or special cases of them.

https://hl7.org/fhir/R4/elementdefinition.html: a constraint leaves a subset of the types.
"""

from __future__ import annotations

from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot.content import Trees, type_canonical
from fhir_dmp.snapshot.limit import MAX_ANCESTORS
from fhir_dmp.snapshot.place import Place

_ANY = frozenset({"Element", "Base", "*"})


def check_types(row: JsonObject, change: JsonObject, place: Place, trees: Trees) -> None:
    """Records the types of the change that the element does not have; of unknown types nothing can be said."""
    permitted = {item["code"] for item in row.get("type", [])}
    if not permitted or permitted & _ANY:
        return
    for item in change.get("type", []):
        if item["code"] not in permitted and not _is_special_case(item["code"], permitted, trees):
            message = f"the type {item['code'][:64]} is not among {', '.join(sorted(permitted))}."
            place.refuse("snapshot-type-refused", message)


def _is_special_case(code: str, permitted: set[str], trees: Trees) -> bool:
    canonicals = {type_canonical(name) for name in permitted}
    ancestor: str | None = trees.base(type_canonical(code))
    for _ in range(MAX_ANCESTORS):
        if not ancestor or ancestor in canonicals:
            break
        ancestor = trees.base(ancestor)
    return ancestor is None or bool(ancestor)
