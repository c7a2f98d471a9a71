"""Resources of any type, made out of the definitions: their structure is right, their values are of their type."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fhir_dmp.json_text import FhirDecimal
from fhir_dmp.loader import load_registry
from fhir_dmp.spec.structure import Property

Json = Any

REGISTRY = load_registry()
_DEEPEST = 4
_MOST = 4
_XHTML = "http://www.w3.org/1999/xhtml"
_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(9)), *map(chr, range(11, 13)),
                                                                *map(chr, range(14, 32)), "\ufffe", "\uffff"]),
    min_size=1, max_size=12,
)  # fmt: skip
_DECIMALS = st.from_regex(r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
_VALUES: dict[str, st.SearchStrategy[Json]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31),
    "unsignedInt": st.integers(0, 2**31),
    "positiveInt": st.integers(1, 2**31),
    "decimal": _DECIMALS.map(lambda text: FhirDecimal(text) if set(text) & set(".eE") else int(text)),
}
_INSIDE = ["x", " ", "<b>x</b>", "<br/>", "<!-- > -->", "&lt;", "&#160;", "é", '<p title="a>b">\n</p>', "<div>y</div>"]
_DIVS = st.one_of(
    st.lists(st.sampled_from(_INSIDE), max_size=4).map(lambda rows: f'<div xmlns="{_XHTML}">{"".join(rows)}</div>'),
    st.sampled_from([f'<div xmlns="{_XHTML}"/>', f'<h:div xmlns:h="{_XHTML}" id="/>"><h:br/></h:div >']),
)


@st.composite
def resources(draw: st.DrawFn, resource_type: str, depth: int = 0) -> Json:
    return {"resourceType": resource_type, **draw(_objects(resource_type, depth))}


@st.composite
def _objects(draw: st.DrawFn, group: str, depth: int, *, minimum: int = 0) -> Json:
    usable = [row for row in REGISTRY.group(group).properties.values() if _is_usable(group, row, depth)]
    rows = st.lists(st.sampled_from(usable), min_size=minimum, max_size=_MOST, unique_by=lambda row: row.element.name)
    made: Json = {}
    for row in draw(rows):
        made.update(draw(_properties(row, group, depth)))
    return made


def _is_usable(group: str, row: Property, depth: int) -> bool:
    if group in REGISTRY.primitive_types:
        return row.key in {"id", "extension"} and (depth < _DEEPEST or row.key == "id")
    return depth < _DEEPEST or row.group in REGISTRY.primitive_types


@st.composite
def _properties(draw: st.DrawFn, row: Property, owner: str, depth: int) -> Json:
    if row.group == "xhtml":
        return {row.key: draw(_DIVS)}
    if row.group in REGISTRY.primitive_types:
        is_attribute = row.key == "url" and owner == "Extension"
        is_attribute |= row.key == "id" and owner not in REGISTRY.resource_types
        return {row.key: draw(_TEXT)} if is_attribute else draw(_primitives(row, depth))
    if row.group == "Resource":
        value = resources(draw(st.sampled_from(["Patient", "Binary", "Basic"])), depth + 1)
    else:
        value = _objects(row.group, depth + 1, minimum=1)
    if row.element.repeats:
        return {row.key: draw(st.lists(value, min_size=1, max_size=2))}
    return {row.key: draw(value)}


@st.composite
def _primitives(draw: st.DrawFn, row: Property, depth: int) -> Json:
    """Values, and beside some of them an id or extensions; of what repeats, either may be missing."""
    size = draw(st.integers(1, 3)) if row.element.repeats else 1
    pairs = [draw(_pairs(row.group, depth)) for _ in range(size)]
    values, companions = [value for value, _ in pairs], [companion for _, companion in pairs]
    kept = {key: rows for key, rows in ((row.key, values), (f"_{row.key}", companions)) if any_given(rows)}
    return kept if row.element.repeats else {key: rows[0] for key, rows in kept.items()}


def any_given(rows: list[Json]) -> bool:
    return any(row is not None for row in rows)


@st.composite
def _pairs(draw: st.DrawFn, code: str, depth: int) -> tuple[Json, Json]:
    value = draw(_VALUES.get(code, _TEXT))
    kind = draw(st.sampled_from(["value", "value", "value", "both", "companion"]))
    companion = draw(_objects(code, depth + 1, minimum=1)) if kind != "value" else None
    return None if kind == "companion" else value, companion
