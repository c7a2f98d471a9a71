"""What a search asks, as a tree: clauses over facts, the sort order, the page. No word of any database.

    Clause   Everything | Nothing | And | Or | Not | OfType | WithId | LastUpdated | AboutPatient | Has
             | Marked | ConfidentialUpTo | Clinical | Withheld | Contains | Chained | Referred
    Has      one parameter of one type and the values of which one is enough (a comma is OR)

Marked, ConfidentialUpTo, Clinical and Withheld ask for security facts; no search parameter does, only access control.

A clause without joins is true or false of the Facts of one resource: fhir_dmp.search.match says which. Chained and
Referred ask for other resources too: fhir_dmp.search.joined says what they mean.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Literal

from fhir_dmp.instant import Milliseconds
from fhir_dmp.outcome import Issue
from fhir_dmp.search.facts import MarkKind
from fhir_dmp.search.place import Point
from fhir_dmp.spec.search_parameter import ParameterType
from fhir_dmp.subset import Subset

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


class Handling(Enum):
    """What happens to an unknown parameter: https://hl7.org/fhir/R4/search.html#errors."""

    STRICT = "strict"
    LENIENT = "lenient"


class Total(Enum):
    """How exact the total should be: https://hl7.org/fhir/R4/search.html#total."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


@dataclass(frozen=True, slots=True)
class TokenValue:
    """A code in a system. `system` None is any system, "" no system; `code` None is any code of the system."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class StringValue:
    """The beginning of a text, normalised (fhir_dmp.search.text); never empty."""

    prefix: str


@dataclass(frozen=True, slots=True)
class StringPart:
    """A part of a text, normalised; never empty. `at` says where in the text: anywhere, at its end, or all of it."""

    text: str
    at: Literal["any", "end", "whole"] = "any"


@dataclass(frozen=True, slots=True)
class LinkValue:
    """A reference or uri: any of the texts by which it may be stored (`Patient/23`, `http://x|1`)."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenPrefix:
    """The codes that begin with a text, in a system, "" none."""

    system: str
    prefix: str


@dataclass(frozen=True, slots=True)
class LinkPrefix:
    """The references or uris that begin with a text."""

    prefix: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A span of time [low, high). Of `ap`, the span is already widened."""

    prefix: Prefix
    low: Milliseconds
    high: Milliseconds


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number or quantity: `value` as written, [low, high) by its significant digits (of `ap`, widened).

    `system` and `code` None are any; `unit` asks for that text as code or as unit, in any system. Of `is_canonical` all
    numbers are in base units, and `code` is that of unit.base_of: it asks for what is written in any unit of that kind.
    """

    prefix: Prefix
    value: Decimal
    low: Decimal
    high: Decimal
    system: str | None = None
    code: str | None = None
    unit: str | None = None
    is_canonical: bool = False


@dataclass(frozen=True, slots=True)
class AnyValue:
    """Any value at all of a parameter of this type, which is not composite."""

    type: ParameterType


@dataclass(frozen=True, slots=True)
class NearValue:
    """A place that is no farther from a point than this: place.square_between is at most `square`."""

    point: Point
    square: int


@dataclass(frozen=True, slots=True)
class WordsValue:
    """Texts with all of these stems (words.stems), never none: `_text` asks the narrative, `_content` the resource."""

    stems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompositeValue:
    """One value for each component of a composite parameter, all to be met by one element."""

    components: tuple[Value, ...]


Value = (
    TokenValue
    | StringValue
    | StringPart
    | LinkValue
    | DateValue
    | QuantityValue
    | TokenPrefix
    | LinkPrefix
    | AnyValue
    | CompositeValue
    | NearValue
    | WordsValue
)


@dataclass(frozen=True, slots=True)
class Everything:
    """True of every resource."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """True of no resource."""


@dataclass(frozen=True, slots=True)
class And:
    """True where all clauses are; of none: true."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where at least one clause is; of none: false."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the clause is false."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class OfType:
    """True of resources of these types."""

    resource_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithId:
    """True of resources of one type with one of these ids."""

    resource_type: str
    resource_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LastUpdated:
    """True of resources whose meta.lastUpdated meets one of the values."""

    values: tuple[DateValue, ...]


@dataclass(frozen=True, slots=True)
class AboutPatient:
    """True of resources that are about one of these patients (Facts.patient), by the Patients' ids."""

    patient_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """True of resources of a type, one of whose values of the parameter meets one of these values.

    `is_main` says that the parameter is the type's main date or code (SearchSpace.main), whose facts stores may keep
    apart; it does not change what is true.
    """

    resource_type: str
    parameter: str
    values: tuple[Value, ...]
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """True of resources that have one of these texts among their marks of a kind (facts.Mark)."""

    kind: MarkKind
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfidentialUpTo:
    """True of resources whose confidentiality is at most this place in sensitivity.RANKS; false where not known."""

    rank: int


@dataclass(frozen=True, slots=True)
class Clinical:
    """True of resources whose content is about a time that meets the value; false where it is about none."""

    value: DateValue


@dataclass(frozen=True, slots=True)
class Withheld:
    """True of resources that at this instant are still held back from the patient himself."""

    at: Milliseconds


@dataclass(frozen=True, slots=True)
class Hop:
    """The way from resources of one type, by the references of a parameter, to those of another type."""

    resource_type: str
    parameter: str
    target: str


@dataclass(frozen=True, slots=True)
class Contains:
    """True of resources that contain one of which the clause is true.

    With a `way`: of those of its type that refer, by its parameter, to such a one of its target.
    """

    clause: Clause
    way: Hop | None = None


@dataclass(frozen=True, slots=True)
class Chained:
    """True of resources that refer, by the hop, to one of which the clause is true, be it contained in them."""

    hop: Hop
    clause: Clause


@dataclass(frozen=True, slots=True)
class Referred:
    """True of resources to which one refers, by the hop, of which the clause is true."""

    hop: Hop
    clause: Clause


Condition = OfType | WithId | LastUpdated | AboutPatient | Has | Marked | ConfidentialUpTo | Clinical | Withheld
"""The clauses that are not made of others."""
Join = Chained | Referred
"""The clauses that go from one resource to another."""
Clause = Everything | Nothing | And | Or | Not | Condition | Contains | Join


@dataclass(frozen=True, slots=True)
class Include:
    """What else a page carries: what its resources refer to, or (`is_reverse`) what refers to them.

    `resource_type` ("" any) is the type of what refers, by `parameter` ("*" any); `target` ("" any) the type referred
    to. One that `iterates` starts from what was included, too. https://hl7.org/fhir/R4/search.html#include
    """

    resource_type: str
    parameter: str
    target: str = ""
    is_reverse: bool = False
    iterates: bool = False


SortType = Literal["id", "last-updated", "token", "string", "date", "number", "quantity", "reference", "uri"]


@dataclass(frozen=True, slots=True)
class Sort:
    """One rule of `_sort`: by the least value of a parameter, or (descending) by the greatest.

    Resources without a value come first in ascending order, last in descending order. `is_main` is that of Has.
    """

    parameter: str
    type: SortType
    descending: bool = False
    is_main: bool = False


class Contained(Enum):
    """Whether contained resources are found, and what of them is returned.

    Of CONTAINERS and ALONE the query's clause is Contains, or Or of what is asked of others and Contains.
    https://hl7.org/fhir/R4/search.html#contained
    """

    LEFT_OUT = "left-out"
    CONTAINERS = "containers"
    ALONE = "alone"


SortKey = None | int | str | Decimal
SortKeys = tuple[SortKey, ...]
"""The place of a resource in an order: one key per Sort (None: no value), then its `Type/id`.

The last runs in the direction of the last Sort, so that an index read backwards gives the reverse order.
"""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed search. `clause` is complete (types included); `resource_types` is what it ranges over.

    `count` is the largest page, 0 where only the total is asked for (`_summary=count`), None where unsaid. `used` are
    the parameters that were understood, as the self link lists them; `ignored` warns of the others. `after` continues
    a page, with what is at that place itself where it `is_inclusive`; `before` asks for the page that ends before a
    place, its rows in the same order. `sort` names each parameter once. `subset` is what to keep of each match, None
    for all. `includes` add to a page, and to nothing else.
    """

    resource_types: tuple[str, ...]
    clause: Clause
    sort: tuple[Sort, ...] = ()
    count: int | None = None
    total: Total | None = None
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[Issue, ...] = ()
    after: SortKeys | None = None
    before: SortKeys | None = None
    subset: Subset | None = None
    includes: tuple[Include, ...] = ()
    contained: Contained = Contained.LEFT_OUT
    is_inclusive: bool = False

    @property
    def is_shaped(self) -> bool:
        """Tells whether it says how what is found is shown, beside what is to be found."""
        is_paged = self.count is not None or self.total is not None or bool(self.sort)
        return is_paged or bool(self.includes) or self.subset is not None


def all_of(clauses: Sequence[Clause]) -> Clause:
    """Returns the conjunction, without the And where there is only one."""
    return clauses[0] if len(clauses) == 1 else And(tuple(clauses))


def any_of(clauses: Sequence[Clause]) -> Clause:
    """Returns the disjunction, without the Or where there is only one."""
    return clauses[0] if len(clauses) == 1 else Or(tuple(clauses))


def has_joins(clause: Clause) -> bool:
    """Tells whether a clause asks for other resources than those it is true of."""
    match clause:
        case And(clauses) | Or(clauses):
            return any(has_joins(inner) for inner in clauses)
        case Not(inner) | Contains(inner):
            return has_joins(inner)
    return isinstance(clause, Join)
