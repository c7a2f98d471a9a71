"""What is loaded, on its way: entries of a Bundle, gathered into parcels of one request each.

Everything that a load creates has an id before it leaves, so that what is sent twice (a lost answer, a killed load)
is stored once: a resource keeps its own id; one without gets an id that follows from its file, place and content.
https://hl7.org/fhir/R4/http.html#upsert
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fhir_dmp.commands.report import Place, Refusal
from fhir_dmp.json_text import Json, JsonObject, write_json

MAX_ENTRIES = 100
MAX_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A Bundle's entry, and the place it comes from.

    `plain` is the same entry for servers that assign ids themselves, where that makes a difference. `key` stands for
    file, place and content in the journal; `size` is in bytes.
    """

    place: Place
    json: Json
    key: str
    size: int
    plain: JsonObject | None = None

    @property
    def method(self) -> str:
        """The HTTP verb; empty where the entry has none, which the server will not like."""
        return str(self._request.get("method", ""))

    @property
    def url(self) -> str:
        """What the verb is about."""
        return str(self._request.get("url", ""))

    @property
    def _request(self) -> JsonObject:
        request = self.json.get("request") if isinstance(self.json, dict) else None
        return request if isinstance(request, dict) else {}


@dataclass(frozen=True, slots=True)
class Parcel:
    """The entries of one request.

    Those of an `is_whole` parcel belong together: a Bundle, or resources that refer to one another by its fullUrls.
    A parcel `depends` on others if a reference in it is by search criteria, which some other parcel may satisfy.
    """

    entries: tuple[Entry, ...]
    kind: str = "transaction"
    is_whole: bool = False
    depends: bool = False
    urls: frozenset[str] = field(init=False)
    """The resources whose next version is among the entries."""

    def __post_init__(self) -> None:
        """Finds the URLs once: each parcel is compared with all that are under way."""
        urls = frozenset(entry.url for entry in self.entries if entry.method != "POST")
        object.__setattr__(self, "urls", urls)

    def build_bundle(self, kind: str, *, plain: bool) -> bytes:
        """Builds the Bundle; `plain` for servers that assign ids."""
        entries = [entry.plain if plain and entry.plain else entry.json for entry in self.entries]
        return write_json({"resourceType": "Bundle", "type": kind, "entry": entries})

    def halves(self) -> tuple[Parcel, Parcel]:
        """Returns the two halves of a parcel that is not whole."""
        middle = len(self.entries) // 2
        return Parcel(self.entries[:middle], self.kind), Parcel(self.entries[middle:], self.kind)


def pack(pieces: Iterable[Entry | Parcel | Refusal]) -> Iterator[Parcel | Refusal]:
    """Yields parcels of the entries that come one by one, in their order; a resource is in a parcel once."""
    gathered: dict[str, Entry] = {}
    size = 0
    for piece in pieces:
        is_full = len(gathered) >= MAX_ENTRIES or size >= MAX_BYTES
        if gathered and (is_full or isinstance(piece, Parcel) or (isinstance(piece, Entry) and piece.url in gathered)):
            yield Parcel(tuple(gathered.values()))
            gathered, size = {}, 0
        if isinstance(piece, Entry):
            gathered[piece.url] = piece
            size += piece.size
        else:
            yield piece
    if gathered:
        yield Parcel(tuple(gathered.values()))
