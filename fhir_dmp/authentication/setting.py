"""JSON that an administrator writes: issuers, clients. What is there twice is refused: one of the two is not meant."""

from __future__ import annotations

import json

from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.json_text import Json, JsonObject


def read_setting(data: bytes, place: str) -> Json:
    """Returns the value of a JSON text; raises SettingUnusable, which names the place."""

    def build(pairs: list[tuple[str, Json]]) -> JsonObject:
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SettingUnusable(f"{place}: {twice[:200]!r} is there twice")
        return dict(pairs)

    try:
        return json.loads(data, object_pairs_hook=build)
    except SettingUnusable:
        raise
    except (ValueError, RecursionError) as fault:
        raise SettingUnusable(f"{place} is not JSON: {fault}") from None
