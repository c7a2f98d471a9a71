"""Input that is made to cost: resources, profiles and value sets, each with the codes that validation answers with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
BASE = "http://hl7.org/fhir/StructureDefinition/"
OURS = "http://example.org/"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A resource, the definitions at hand, and a code that one of the issues has (none where all is well)."""

    resource: Json
    code: str = ""
    definitions: tuple[Json, ...] = ()
    claims: tuple[str, ...] = (f"{OURS}p",)


def profile(name: str, type_name: str, *elements: Json, base: str = "", kind: str = "resource") -> Json:
    """Builds a profile whose canonical ends with `name`."""
    return {
        "resourceType": "StructureDefinition", "url": OURS + name, "name": name, "type": type_name, "kind": kind,
        "derivation": "constraint", "baseDefinition": base or BASE + type_name,
        "differential": {"element": list(elements)},
    }  # fmt: skip


def element(element_id: str, **rest: Any) -> Json:  # JSON
    """Builds an ElementDefinition of a differential."""
    path = ".".join(part.partition(":")[0] for part in element_id.split("."))
    return {"id": element_id, "path": path, **rest}


def value_set(name: str, *include: Json) -> Json:
    """Builds a ValueSet."""
    return {"resourceType": "ValueSet", "url": OURS + name, "status": "active", "compose": {"include": list(include)}}


def code_system(*concepts: Json, **rest: Any) -> Json:  # JSON
    """Builds the one CodeSystem of these cases."""
    return {
        "resourceType": "CodeSystem", "url": "http://s", "status": "active", "content": "complete",
        "concept": list(concepts), **rest,
    }  # fmt: skip


def with_invariant(expression: str, names: int = 1, text: str = "x") -> Hostile:
    """A Patient with names, under one invariant."""
    rule = {"key": "h-1", "severity": "error", "human": "h", "expression": expression}
    patient = {"resourceType": "Patient", "name": [{"text": text, "given": ["x"]}] * names}
    return Hostile(patient, "", (profile("p", "Patient", element("Patient", constraint=[rule])),))


def costly(expression: str, code: str, names: int = 1, text: str = "x") -> Hostile:
    """As with_invariant, where the answer is an issue."""
    found = with_invariant(expression, names, text)
    return Hostile(found.resource, code, found.definitions)


def bound(code: str, *definitions: Json) -> Hostile:
    """A Patient with the code c5, bound to the value set v0."""
    binding = {"strength": "required", "valueSet": f"{OURS}v0"}
    coded = {"coding": [{"system": "http://s", "code": "c5"}]}
    rule = profile("p", "Patient", element("Patient.maritalStatus", binding=binding))
    return Hostile({"resourceType": "Patient", "maritalStatus": coded}, code, (rule, *definitions))


def is_a(code: str) -> Json:
    """An include of a code and what is below it."""
    return {"system": "http://s", "filter": [{"property": "concept", "op": "is-a", "value": code}]}


def _nested_extension(depth: int) -> Json:
    found: Json = {"url": f"{OURS}e", "valueString": "x"}
    for _ in range(depth):
        found = {"url": f"{OURS}e", "extension": [found]}
    return {"resourceType": "Patient", "extension": [found]}


def _concepts(depth: int) -> Json:
    found: Json = {"code": f"c{depth}"}
    for level in reversed(range(depth)):
        found = {"code": f"c{level}", "concept": [found]}
    return found


def _slices(number: int) -> Json:
    slicing = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    rows = [element("Patient.identifier", slicing=slicing)]
    for index in range(number):
        rows.append(element(f"Patient.identifier:s{index}", sliceName=f"s{index}"))
        rows.append(element(f"Patient.identifier:s{index}.system", fixedUri=f"http://s{index}"))
    return profile("p", "Patient", *rows)


def _patient(**rest: Any) -> Json:  # JSON
    return {"resourceType": "Patient", **rest}


def _list_of_contained(number: int) -> Json:
    return {
        "resourceType": "List", "status": "current", "mode": "working",
        "text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        "contained": [{"resourceType": "Basic", "id": f"p{row}", "code": {"text": "x"}} for row in range(number)],
        "entry": [{"item": {"reference": f"#p{row}"}} for row in range(number)],
    }  # fmt: skip


def _bundle(number: int) -> Json:
    entries = [
        {
            "fullUrl": f"{OURS}Patient/{row}",
            "resource": _patient(id=str(row), managingOrganization={"reference": f"Organization/{row}"}),
        }
        for row in range(number)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _extension_in_itself() -> Json:
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    return profile(
        "e",
        "Extension",
        element("Extension.extension", slicing=slicing),
        element("Extension.extension:e", sliceName="e", type=[{"code": "Extension", "profile": [f"{OURS}e"]}]),
        element("Extension.url", fixedUri=f"{OURS}e"),
        kind="complex-type",
    )


def _slice_by_itself() -> Json:
    slicing = {"discriminator": [{"type": "profile", "path": "resolve()"}], "rules": "open"}
    return profile(
        "p",
        "Patient",
        element("Patient.link", slicing={**slicing, "discriminator": [{"type": "profile", "path": "other.resolve()"}]}),
        element("Patient.link:s", sliceName="s"),
        element("Patient.link:s.other", type=[{"code": "Reference", "targetProfile": [f"{OURS}p"]}]),
    )


_LINK = {"other": {"reference": "#c"}, "type": "seealso"}
_TO_ITSELF = _patient(contained=[_patient(id="c", link=[_LINK])], link=[_LINK])

CASES: dict[str, Callable[[], Hostile]] = {
    "a million strings": lambda: Hostile(_patient(name=[{"given": ["x"] * 1_000_000}]), claims=()),
    "a million names": lambda: Hostile(_patient(name=[{"text": "x"}] * 1_000_000), claims=()),
    "a million wrong names": lambda: Hostile(
        _patient(name=[{"nope": "x"}] * 1_000_000), "structure-unknown-property", claims=()
    ),
    "a million broken invariants": lambda: Hostile(
        _patient(contact=[{"gender": "male"}] * 1_000_000), "invariant", claims=()
    ),
    "500 levels": lambda: Hostile(_nested_extension(500), "structure-depth", claims=()),
    "100000 levels": lambda: Hostile(_nested_extension(100_000), "structure-depth", claims=()),
    "references to contained": lambda: Hostile(_list_of_contained(5000), claims=()),
    "a large Bundle": lambda: Hostile(_bundle(10_000), claims=()),
    "a large code system": lambda: Hostile(
        code_system(*({"code": f"c{row}"} for row in range(100_000))), claims=()
    ),
    "a regex that backtracks": lambda: costly("name.text.matches('^(a+)+$')", "invariant", text="a" * 50_000 + "!"),
    "a regex that nothing bounds": lambda: costly(
        r"name.text.matches('(a+)+\\1$')", "not-checked", text="a" * 50_000 + "!"
    ),
    "a substitution that backtracks": lambda: costly(
        "name.text.replaceMatches('(a+)+$', '').exists()", "not-checked", text="a" * 50_000 + "!"
    ),
    "three loops in one another": lambda: with_invariant(
        "name.all(%resource.name.all(%resource.name.all($this.exists())))", 3000
    ),
    "a cross product": lambda: costly(
        "name.all($this.combine(%resource.name).all(combine(%resource.name).exists()))", "conformance-costly", 3000
    ),
    "a repeat of everything": lambda: costly(
        "name.repeat($this | %resource.descendants()).count() > 0", "conformance-costly", 3000
    ),
    "a tower of select": lambda: costly(
        "name" + ".select(%resource.name)" * 12 + ".count() > 0", "conformance-costly", 10
    ),
    "a sum that doubles": lambda: costly(
        "name.aggregate($total.combine($total), %resource.name).exists()", "conformance-costly", 200
    ),
    "a text that doubles": lambda: costly("name.text" + ".select($this + $this)" * 40 + ".exists()", "not-checked"),
    "a text that decuples": lambda: costly(
        "name.text" + ".replace('x', 'xxxxxxxxxx')" * 40 + ".exists()", "not-checked"
    ),
    "a tower of powers": lambda: costly("10.power(10).power(10).power(10).power(10) > 1", "invariant"),
    "5000 parentheses": lambda: costly("(" * 5000 + "1" + ")" * 5000, "profile-unusable"),
    "50000 operators": lambda: costly("1" + "+1" * 50_000 + ">0", "profile-unusable"),
    "a profile that asks itself": lambda: with_invariant("conformsTo('http://example.org/p')"),
    "bases in a circle": lambda: Hostile(
        _patient(), "profile-unusable",
        (profile("p", "Patient", base=f"{OURS}q"), profile("q", "Patient", base=f"{OURS}p")),
    ),
    "a profile based on itself": lambda: Hostile(
        _patient(), "profile-unusable", (profile("p", "Patient", base=f"{OURS}p"),)
    ),
    "3000 bases": lambda: Hostile(
        _patient(), "profile-unusable",
        (
            profile("p", "Patient", base=f"{OURS}c0"),
            *(profile(f"c{row}", "Patient", base=f"{OURS}c{row + 1}") for row in range(3000)),
            profile("c3000", "Patient"),
        ),
    ),
    "an extension within itself": lambda: Hostile(_nested_extension(50), "", (_extension_in_itself(),), ()),
    "a slice by its own profile": lambda: Hostile(_TO_ITSELF, "", (_slice_by_itself(),)),
    "100000 slices": lambda: Hostile(
        _patient(identifier=[{"system": f"http://s{row}", "value": "x"} for row in range(1000)]),
        "profile-unusable", (_slices(100_000),),
    ),
    "value sets in a circle": lambda: bound(
        "not-checked",
        value_set("v0", {"valueSet": [f"{OURS}v1"]}), value_set("v1", {"valueSet": [f"{OURS}v0"]}),
    ),
    "3000 value sets in a chain": lambda: bound(
        "",
        *(value_set(f"v{row}", {"valueSet": [f"{OURS}v{row + 1}"]}) for row in range(3000)),
        value_set("v3000", {"system": "http://s", "concept": [{"code": "c5"}]}),
    ),
    "value sets that double": lambda: bound(
        "binding",
        *(value_set(f"v{row}", *[{"valueSet": [f"{OURS}v{row + 1}"]}] * 2) for row in range(60)),
        value_set("v60", {"system": "http://s", "concept": [{"code": "c6"}]}),
    ),
    "300000 codes": lambda: bound(
        "binding", value_set("v0", {"system": "http://s", "concept": [{"code": f"d{row}"} for row in range(300_000)]})
    ),
    "a filter that backtracks": lambda: bound(
        "binding",
        value_set("v0", {"system": "http://s", "filter": [{"property": "code", "op": "regex", "value": "(a+)+b"}]}),
        code_system({"code": "c5"}, {"code": "a" * 50_000}),
    ),
    "codes that are their own parents": lambda: bound(
        "",
        value_set("v0", is_a("c6")),
        code_system(
            {"code": "c5", "property": [{"code": "parent", "valueCode": "c6"}]},
            {"code": "c6", "property": [{"code": "parent", "valueCode": "c5"}]},
            property=[{"code": "parent", "type": "code"}],
        ),
    ),
    "concepts 3000 levels deep": lambda: bound("", value_set("v0", is_a("c0")), code_system(_concepts(3000))),
    "a supplement of itself": lambda: bound(
        "coding-code",
        value_set("v0", {"system": "http://s"}),
        code_system({"code": "c5"}, content="supplement", supplements="http://s"),
    ),
}  # fmt: skip
