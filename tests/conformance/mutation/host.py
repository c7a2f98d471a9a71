"""Hosts: a resource that has to meet a profile, where the profile is not of a resource but of what stands in one.

An extension stands in its first context; a data type in an element of a Patient.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_dmp.spec.registry import BASE
from tests.conformance.mutation.place import Json
from tests.conformance.mutation.trees import Steps, name_of

_WHERE = {
    "Address": "Patient.address",
    "ContactPoint": "Patient.telecom",
    "HumanName": "Patient.name",
    "Identifier": "Patient.identifier",
}
_SLICE = "it"


@dataclass(frozen=True, slots=True)
class Host:
    """Where the value stands that meets the profile: `canonical` is the profile of the resource around it."""

    profile: Json
    canonical: str
    type_name: str
    steps: Steps
    definition: Json | None

    @property
    def name(self) -> str:
        """The id of the profile."""
        return str(self.profile["id"])


def build_hosts(profiles: Iterable[Json]) -> list[Host]:
    """Builds the hosts of profiles on resources, data types and extensions."""
    return [_build(profile) for profile in profiles]


def _build(profile: Json) -> Host:
    if profile["kind"] == "resource":
        return Host(profile, profile["url"], profile["type"], (), None)
    is_extension = profile["type"] == "Extension"
    context = profile["context"][0]["expression"] if is_extension else profile["type"]
    head, _, tail = context.partition(".")
    path = ".".join(part for part in (_WHERE.get(head, head), tail, "extension" if is_extension else "") if part)
    type_name = path.partition(".")[0]
    rows = _slice(path, profile["url"]) if is_extension else [_row(path, profile)]
    definition = _define(f"host-{profile['id']}", type_name, BASE + type_name, rows)
    url = definition["url"]
    names = path.split(".")[1:]
    last = (names[-1], _SLICE if is_extension else "")
    return Host(profile, url, type_name, (*((name, "") for name in names[:-1]), last), definition)


def require_slices(host: Host, slices: list[Steps]) -> Json:
    """Returns a profile on that of a host which demands slices that are optional there."""
    every = [(*host.steps, *steps) for steps in slices]
    slug = "".join(letter if letter.isalnum() else "-" for letter in " ".join(name_of(steps) for steps in every))
    rows = [_required(host.type_name, steps) for steps in every]
    return _define(f"require-{host.name}-{slug}", host.type_name, host.canonical, rows)


def _required(type_name: str, steps: Steps) -> Json:
    path = ".".join([type_name, *(name for name, _ in steps)])
    return {"id": f"{type_name}.{name_of(steps)}", "path": path, "sliceName": steps[-1][1], "min": 1}


def _define(name: str, type_name: str, base: str, rows: list[Json]) -> Json:
    return {
        "resourceType": "StructureDefinition",
        "url": f"http://example.org/StructureDefinition/{name}",
        "name": "Host",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": type_name,
        "baseDefinition": base,
        "derivation": "constraint",
        "differential": {"element": rows},
    }


def _row(path: str, profile: Json) -> Json:
    types = [{"code": profile["type"], "profile": [profile["url"]]}]
    return {"id": path, "path": path, "min": 1, "type": types}


def _slice(path: str, canonical: str) -> list[Json]:
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    types = [{"code": "Extension", "profile": [canonical]}]
    inner = {"sliceName": _SLICE, "min": 1, "max": "1", "type": types}
    return [{"id": path, "path": path, "slicing": slicing}, {"id": f"{path}:{_SLICE}", "path": path, **inner}]
