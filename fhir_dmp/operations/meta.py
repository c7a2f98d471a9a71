"""$meta, $meta-add, $meta-delete: profiles, tags and security labels.

https://hl7.org/fhir/R4/resource-operation-meta.html (…-meta-add.html, …-meta-delete.html). A change of labels is one of
who sees the resource: it makes a version, as every change does, and access/write.py decides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from fhir_dmp.interactions.authorisation import authorise
from fhir_dmp.interactions.consequences import schedule_due
from fhir_dmp.interactions.content import check_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.update import next_version
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import answer_parameters, missing, read_inputs
from fhir_dmp.operations.patient_record import of_records, read_all
from fhir_dmp.operations.stored import read_version
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import Everything
from fhir_dmp.store.port import Change, Writer

MOST_RESOURCES = 2_000
"""Of how many resources the labels are gathered at once."""
_SETS = ("profile", "security", "tag")
Alter = Callable[[JsonObject, JsonObject], JsonObject]


async def meta(context: Context, request: Request) -> Result:
    """Returns the meta of the current version of a resource."""
    check_exposed(context, request, "operation")
    read_inputs(context, request, ())
    version = await read_version(context, request)
    return _answer(_meta_of(version), [version])


async def meta_of_all(context: Context, request: Request) -> Result:
    """Returns the profiles, tags and labels of all resources, of a type or of all, that the requester sees."""
    interaction = "search-type" if request.resource_type else "search-system"
    restriction = await open_gate(context, request, interaction, Everything())
    read_inputs(context, request, ())
    types = [request.resource_type] if request.resource_type else sorted(context.capability.types)
    versions = await read_all(context, restriction, types, Everything(), MOST_RESOURCES)
    telling = [version for version in versions if any(_meta_of(version).get(name) for name in _SETS)]
    gathered: JsonObject = {}
    for version in telling:
        gathered = _added(gathered, _meta_of(version))
    return _answer({name: sorted(gathered[name], key=str) for name in _SETS if name in gathered}, telling)


async def meta_add(context: Context, request: Request) -> Result:
    """Adds profiles, tags and labels; what is there already is not added again."""
    return await _alter(context, request, _added)


async def meta_delete(context: Context, request: Request) -> Result:
    """Takes profiles, tags and labels away; what is not there is no error."""
    return await _alter(context, request, _without)


async def _alter(context: Context, request: Request, alter: Alter) -> Result:
    check_exposed(context, request, "update")
    given = read_inputs(context, request, ("meta",)).structure("meta", "Meta")
    if given is None:
        raise missing("meta")
    restriction = await open_gate(context, request, "update")

    async def work(writer: Writer) -> Result:
        current = (await writer.read_latest((request.identity,), restriction)).get(request.identity)
        resource = _read_current(current, request)
        altered = alter(resource.get("meta", {}), given)
        if current and altered == resource.get("meta", {}):
            return _answer(altered, [current])
        change = await _build_change(replace(context, reader=writer), request, {**resource, "meta": altered}, current)
        await schedule_due(context, writer, request, [change])
        await writer.write([change])
        return _answer(_meta_of(change.version), [change.version])

    return await context.store.transact(work)


def _read_current(current: Version | None, request: Request) -> JsonObject:
    if current is None:
        raise not_found(request.identity)
    if current.content is None:
        raise error(Category.DELETED, "resource-deleted", f"{current.identity} was deleted.")
    return parse_json_object(current.content)


async def _build_change(context: Context, request: Request, resource: JsonObject, current: Version | None) -> Change:
    """The change that stores a resource with its new meta; raises FhirError where it is wrong, or not permitted."""
    check_resource(context, resource, request.resource_type)
    await require_valid(context, request, resource)
    change = next_version(context, request, resource, current, None, "PATCH")
    await authorise(context, request, "update", [change])
    return change


def _meta_of(version: Version) -> JsonObject:
    found: JsonObject = parse_json_object(version.content or b"{}").get("meta", {})
    return found


def _added(present: JsonObject, given: JsonObject) -> JsonObject:
    made = dict(present)
    for name in _SETS:
        known = {_key(item) for item in made.get(name, ())}
        new = {_key(item): item for item in reversed(given.get(name, ())) if _key(item) not in known}
        if new:
            made[name] = [*made.get(name, ()), *reversed(new.values())]
    return made


def _without(present: JsonObject, given: JsonObject) -> JsonObject:
    made = dict(present)
    for name in _SETS:
        gone = {_key(item) for item in given.get(name, ())}
        kept = [item for item in made.get(name, ()) if _key(item) not in gone]
        if kept:
            made[name] = kept
        else:
            made.pop(name, None)
    return made


def _key(item: JsonObject | str) -> tuple[object, ...]:
    """What a profile, tag or label is told by: version and display do not count."""
    return (item,) if isinstance(item, str) else (item.get("system"), item.get("code"))


def _answer(found: JsonObject, versions: Iterable[Version]) -> Result:
    rows = [{"name": "return", "valueMeta": found}] if found else []
    return replace(answer_parameters(rows), status=Status.OK, versions=of_records(versions))
