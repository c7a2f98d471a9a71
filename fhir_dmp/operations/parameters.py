"""What an operation is given and what it answers: https://hl7.org/fhir/R4/operations.html#executing, Parameters.

Parameters of the query string are text; those of a body have the type that they are sent with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Parameters, Request, Result, Status
from fhir_dmp.json_text import Json, JsonObject, parse_json_object, write_json
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.search.page import CURSOR
from fhir_dmp.search.query import Handling
from fhir_dmp.validation.validate import validate_structure

TOP = "Parameters.parameter"
LONGEST_TEXT = 2_000
"""Characters of a canonical, a code, a display: what is kept by them, or told of them, has to have a bound."""
_LONGEST_NUMBER = 9
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Given:
    """One parameter. `type_name` is that of value[x] as JSON writes it (`String`), empty for one of a query string.

    `at` is its FHIRPath in the body. `row` is its JSON: extensions, parts, what stands beside a primitive.
    """

    name: str
    type_name: str
    value: Json
    at: str
    row: JsonObject


class Inputs:
    """The parameters of one call. Every reader raises FhirError (invalid parameter) where a value is of no use."""

    def __init__(self, given: Iterable[Given]) -> None:
        """Keeps them in their order."""
        self._given: dict[str, list[Given]] = {}
        for one in given:
            self._given.setdefault(one.name, []).append(one)

    def __contains__(self, name: str) -> bool:
        """Tells whether a parameter is there."""
        return name in self._given

    @property
    def names(self) -> Collection[str]:
        """What is given."""
        return self._given.keys()

    def all(self, name: str) -> list[Given]:
        """Returns every parameter of a name."""
        return self._given.get(name, [])

    def one(self, name: str) -> Given | None:
        """Returns the only parameter of a name, None where there is none."""
        found = self.all(name)
        if len(found) > 1:
            raise error(Category.INVALID_PARAMETER, "parameter-repeated", f"{name} may appear once.", found[1].at)
        return found[0] if found else None

    def texts(self, name: str) -> list[str]:
        """Returns the values of a repeating parameter that is some kind of string."""
        return [_text(one) for one in self.all(name)]

    def text(self, name: str, longest: int = LONGEST_TEXT) -> str:
        """Returns a value that is some kind of string, empty where there is none."""
        found = self.one(name)
        return _text(found, longest) if found else ""

    def needed_text(self, name: str, longest: int = LONGEST_TEXT) -> str:
        """Returns a value that must be there."""
        found = self.text(name, longest)
        if not found:
            raise missing(name)
        return found

    def boolean(self, name: str) -> bool | None:
        """Returns a boolean, None where there is none."""
        found = self.one(name)
        if found is None:
            return None
        value = found.value if found.type_name else _BOOLEANS.get(found.value)
        if type(value) is not bool:
            raise _refuse(found, "true or false")
        return value

    def number(self, name: str) -> int | None:
        """Returns an integer from 0 on, None where there is none."""
        found = self.one(name)
        if found is None:
            return None
        value = found.value
        if not found.type_name and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER:
            value = int(value)
        if type(value) is not int or value < 0:
            raise _refuse(found, "an integer from 0 to 999999999")
        return value

    def structure(self, name: str, type_name: str) -> JsonObject | None:
        """Returns a value of a complex type, which only a body can carry; None where there is none."""
        found = self.one(name)
        if found is None:
            return None
        if found.type_name != type_name:
            raise _refuse(found, f"a {type_name}, sent in a Parameters body")
        value: JsonObject = found.value
        return value

    def resource(self, name: str) -> JsonObject | None:
        """Returns a resource, as it was sent and unchecked; None where there is none."""
        found = self.one(name)
        if found is None:
            return None
        resource = found.row.get("resource")
        if not isinstance(resource, dict):
            raise _refuse(found, "a resource")
        return resource


def missing(name: str) -> FhirError:
    """The answer where a parameter has to be there and is not."""
    return error(Category.INVALID_PARAMETER, "parameter-missing", f"The parameter {name} is needed.")


def read_inputs(context: Context, request: Request, known: Collection[str]) -> Inputs:
    """Returns what the query string and a Parameters body give; raises FhirError where they cannot be read.

    `known` are the parameters that count: any other is refused, unless the client asks for lenient handling.
    """
    body = read_body(request)
    if body is not None and body.get("resourceType") != "Parameters":
        raise error(Category.MALFORMED, "resource-type", "The operation takes a Parameters resource.")
    return build_inputs(context, request, body, known)


def read_body(request: Request) -> JsonObject | None:
    """Returns the resource in the body, or in the entry of a Bundle; None where there is none."""
    if request.resource is not None:
        return request.resource
    return parse_json_object(request.body) if request.body else None


def build_inputs(context: Context, request: Request, body: JsonObject | None, known: Collection[str]) -> Inputs:
    """Returns the parameters of the query string and of a Parameters resource, as read_inputs does."""
    given = [*_from_query(request.parameters), *(_from_body(context, body) if body else ())]
    if request.handling is not Handling.LENIENT:
        _refuse_unknown((one.name for one in given), known)
    return Inputs(given)


def _refuse_unknown(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            # the cursor is for links of the server's own
            listed = ", ".join(sorted(one for one in known if one != CURSOR))
            message = f"The operation has no parameter {name[:64]} here; it has {listed}."
            raise error(Category.INVALID_PARAMETER, "parameter-unknown", message)


def _from_query(parameters: Parameters) -> Iterator[Given]:
    for name, value in parameters:
        yield Given(name, "", value, f"http.{name[:64]}", {})


def _from_body(context: Context, body: JsonObject) -> Iterator[Given]:
    """The structure of the body is checked; that of the resources in it is not."""
    issues = validate_structure(_without_resources(body), context.schemas)
    if issues:
        raise FhirError(Category.MALFORMED, *issues)
    for index, row in enumerate(body.get("parameter", ())):
        yield read_row(row, f"{TOP}[{index}]")


def read_row(row: JsonObject, at: str) -> Given:
    """Returns a parameter, or a part of one, whose structure is right."""
    key = next((key for key in row if key.startswith("value")), "value")
    # what stands beside a name alone, such as why it is absent, names nothing
    return Given(row.get("name", ""), key.removeprefix("value"), row.get(key), at, row)


def _without_resources(row: Json) -> Json:
    """The resources in a Parameters resource are what operations work on: they may be wrong."""
    if not isinstance(row, dict):
        return row
    bare = {key: value for key, value in row.items() if key != "resource"}
    for key in ("parameter", "part"):
        if isinstance(row.get(key), list):
            bare[key] = [_without_resources(part) for part in row[key]]
    return bare


def _text(given: Given, longest: int = LONGEST_TEXT) -> str:
    if not isinstance(given.value, str) or not 0 < len(given.value) <= longest:
        raise _refuse(given, f"text of 1 to {longest:,} characters")
    return given.value


def _refuse(given: Given, wanted: str) -> FhirError:
    return error(Category.INVALID_PARAMETER, "parameter-value", f"{given.name[:64]} has to be {wanted}.", given.at)


def answer_parameters(rows: Iterable[JsonObject], resource_id: str = "") -> Result:
    """Returns the Result of an operation that answers with Parameters; where there are none, FHIR has no empty list."""
    body: JsonObject = {"resourceType": "Parameters"} | ({"id": resource_id} if resource_id else {})
    parameters = list(rows)
    return answer(body | ({"parameter": parameters} if parameters else {}))


def answer(resource: JsonObject) -> Result:
    """Returns the Result of an operation that answers with a resource."""
    return Result(Status.OK, body=write_json(resource))
