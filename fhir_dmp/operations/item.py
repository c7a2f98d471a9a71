"""Items of a FHIRPath collection as JSON, and as parts of a Parameters resource as the FHIRPath Lab reads them."""

from __future__ import annotations

from decimal import Decimal

from fhir_dmp.fhirpath.node import Node
from fhir_dmp.fhirpath.quantity import Quantity
from fhir_dmp.fhirpath.system import UCUM
from fhir_dmp.fhirpath.temporal import Temporal
from fhir_dmp.json_text import Json, JsonObject, write_json
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

JSON_VALUE = "http://fhir.forms-lab.com/StructureDefinition/json-value"
_PATH = "http://fhir.forms-lab.com/StructureDefinition/resource-path"
_SYSTEM = "System."
_CALENDAR = {
    "year": "a", "month": "mo", "week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s",
    "millisecond": "ms",
}  # fmt: skip


def fhir_type(node: Node) -> str:
    """Returns the FHIR type that carries an item: `string` for System.String."""
    name = node.type_name
    if not name.startswith(_SYSTEM):
        return name
    plain = name.removeprefix(_SYSTEM)
    return plain if plain in {"Quantity", "ClassInfo"} else plain[0].lower() + plain[1:]


def as_json(node: Node) -> Json:
    """Returns the JSON value of an item; null where a primitive has extensions only."""
    value = node.value
    if isinstance(value, Quantity):
        return _quantity_json(value)
    if isinstance(value, Temporal):
        return value.text.removeprefix("T")
    return value


def _quantity_json(quantity: Quantity) -> JsonObject:
    number = _plain(quantity.value)
    system, bar, code = quantity.unit.rpartition("|")
    if quantity.calendar:
        return {"value": number, "unit": quantity.unit, "system": UCUM, "code": _CALENDAR[quantity.unit]}
    if bar:
        return {"value": number, "unit": code} | ({"system": system, "code": code} if system else {})
    return {"value": number, "unit": quantity.unit, "system": UCUM, "code": quantity.unit}


def _plain(number: Decimal) -> Json:
    return int(number) if number == number.to_integral_value() and abs(number) < 10**15 else number


def build_part(node: Node, places: dict[int, str], schemas: Schemas) -> JsonObject:
    """Returns the part for an item: in value[x] or resource where FHIR allows it there, else as JSON text."""
    name = fhir_type(node)
    place = places.get(id(node.value))
    marks = [{"url": _PATH, "valueString": place}] if place else []
    row = _build_value(name, node, schemas)
    if row is None:
        text = write_json(as_json(node)).decode()
        row = {"name": name, "extension": [{"url": JSON_VALUE, "valueString": text}]}
    return {**row, "extension": [*marks, *row.get("extension", ())]} if marks else row


def _build_value(name: str, node: Node, schemas: Schemas) -> JsonObject | None:
    """The part with its value; None where a Parameters resource cannot carry it."""
    value = as_json(node)
    if value == "" and node.element is None:
        return {"name": "empty-string"}
    if name in schemas.model.resource_types:
        return {"name": name, "resource": value} if not validate_structure(value, schemas) else None
    key = f"value{name[:1].upper()}{name[1:]}"
    row: JsonObject = {"name": name} | ({key: value} if value is not None else {})
    if node.element is not None:
        row[f"_{key}"] = node.element
    carried = {"resourceType": "Parameters", "parameter": [row]}
    return None if validate_structure(carried, schemas) else row
