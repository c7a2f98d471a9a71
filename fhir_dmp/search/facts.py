"""Facts: what search knows of a resource, as typed values per parameter. Written by index, read by match and stores.

NamedTuples, not dataclasses: a resource has about forty, and they are made on the path of every write.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from fhir_dmp.instant import Milliseconds
from fhir_dmp.search.place import Point
from fhir_dmp.search.words import Words

EXTRACTOR_VERSION = 7
"""Changes whenever the same resource would have other facts: stored facts of another version need a reindex."""

BEGINNING: Milliseconds = -(2**62)
"""The low bound of a period without start."""
END: Milliseconds = 2**62
"""The high bound of a period without end."""


class TokenFact(NamedTuple):
    """A code as it is written; `system` is "" where it has none. Under `subject:identifier`, that of a Reference."""

    parameter: str
    system: str
    code: str


class StringFact(NamedTuple):
    """A text as it is written, with something that search compares. `is_name`: a family name, whose parts are found.

    Of a code there are its texts and displays under `code:text`.
    """

    parameter: str
    text: str
    is_name: bool


class LinkFact(NamedTuple):
    """A reference or uri, as one of the texts by which it is found.

    `Patient/23`, and another fact `Patient/23/_history/4` where the reference has a version; `http://x`, and another
    `http://x|1` of a canonical. URLs below our own base are relative. Of an identifier whose type is coded there is one
    under `identifier:of-type`, in the form of links.identified; of a text under `name:exact`, in that of text.exact. A
    parameter whose only values have no other facts has `false` under `code:missing`.
    """

    parameter: str
    text: str


class DateFact(NamedTuple):
    """A span of time [low, high), low < high; BEGINNING and END where it is open."""

    parameter: str
    low: Milliseconds
    high: Milliseconds


class QuantityFact(NamedTuple):
    """A number or quantity, or a range of them: low <= value <= high. Of a number, the other members are "".

    One in a unit of UCUM has another under `value-quantity:ucum`, in base units, whose code is that of unit.base_of.
    """

    parameter: str
    low: Decimal
    high: Decimal
    system: str
    code: str
    unit: str


class CompositeFact(NamedTuple):
    """What one element has for every component of a composite parameter.

    The parameters of its facts are those of the components: `code$0`, `code$1` and so on.
    """

    parameter: str
    tokens: tuple[TokenFact, ...] = ()
    strings: tuple[StringFact, ...] = ()
    links: tuple[LinkFact, ...] = ()
    dates: tuple[DateFact, ...] = ()
    quantities: tuple[QuantityFact, ...] = ()


class PointFact(NamedTuple):
    """Where on the globe something is."""

    parameter: str
    point: Point


MarkKind = Literal["label", "class", "document", "code", "author", "recipient", "actor", "reference", "flag"]


class Mark(NamedTuple):
    """One exact text that access control asks for; search/security.py says what each kind holds."""

    kind: MarkKind
    text: str


class Security(NamedTuple):
    """What access control knows of a version.

    `rank` is the place of its confidentiality in sensitivity.RANKS, None where no security facts were found at all.
    `span` is [low, high) of the time that the content is about; `opens` is when the patient himself may see what a
    professional holds back from him, None where nothing is held back.
    """

    marks: tuple[Mark, ...] = ()
    rank: int | None = None
    span: tuple[Milliseconds, Milliseconds] | None = None
    opens: Milliseconds | None = None


class Facts(NamedTuple):
    """The facts of one version of a resource.

    `patient` is the id of the one Patient it is about, `date` its main date, `codes` the tokens of its main code
    (SearchSpace.main says which parameters these are); each may be absent. `form` is SearchSpace.form.
    """

    resource_type: str
    resource_id: str
    last_updated: Milliseconds
    tokens: tuple[TokenFact, ...] = ()
    strings: tuple[StringFact, ...] = ()
    links: tuple[LinkFact, ...] = ()
    dates: tuple[DateFact, ...] = ()
    quantities: tuple[QuantityFact, ...] = ()
    patient: str | None = None
    date: DateFact | None = None
    codes: tuple[TokenFact, ...] = ()
    security: Security = Security()
    composites: tuple[CompositeFact, ...] = ()
    points: tuple[PointFact, ...] = ()
    words: Words = Words()
    form: str = ""
    contained: tuple[ContainedFact, ...] = ()


class ContainedFact(NamedTuple):
    """What search knows of a contained resource. `ways` are the parameters of its container that refer to it.

    Its id has the `#` of the references to it, so it is that of no other resource; `last_updated` is the container's.
    It has no security facts, points, form and contained resources: it is shown where its container is, and is nowhere.
    https://hl7.org/fhir/R4/references.html#contained
    """

    facts: Facts
    ways: tuple[str, ...] = ()
