"""A shelf of definitions: by canonical, every version of each, https://hl7.org/fhir/R4/references.html#canonical."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fhir_dmp.packages.package import Definition, Package
from fhir_dmp.packages.version import is_match, newest_match, version_key

Row = tuple[Package, Definition]


class Shelf:
    """The definitions of some packages. Of two with the same url and version, the first stays."""

    def __init__(self, packages: Iterable[Package]) -> None:
        """Reads none of the definitions, only what they are found by."""
        self._rows: dict[str, dict[str, Row]] = {}
        for package in packages:
            for definition in package.definitions:
                self._rows.setdefault(definition.url, {}).setdefault(definition.version, (package, definition))
        self._newest = {url: max(rows, key=version_key) for url, rows in self._rows.items()}

    def find(self, url: str, version: str = "") -> Row | None:
        """Returns the definition of a version (`2.1` is any 2.1), without version the newest, None where absent."""
        rows = self._rows.get(url)
        if rows is None:
            return None
        found = newest_match(version, rows) if version else self._newest[url]
        return rows[found] if found is not None else None

    def newest(self, url: str) -> str | None:
        """Returns the newest version of a definition, empty where it has none; None where it is not here."""
        return self._newest.get(url)

    def versions(self, url: str) -> Iterable[str]:
        """Returns the versions that a definition has here."""
        return self._rows.get(url, ())

    def supplements(self) -> Iterator[Row]:
        """Yields the code system supplements, of each the newest version."""
        for url, version in self._newest.items():
            row = self._rows[url][version]
            if row[1].supplements:
                yield row


def build_scope(package: Package, packages: Sequence[Package]) -> dict[str, str]:
    """Returns, for each url that a package or one it depends on defines, the version that it means.

    Its own definitions first, then those of its dependencies, then of theirs. Without the version of a dependency
    that it names, there is nothing to prefer: the newest that is installed will do.
    """
    scope: dict[str, str] = {}
    waiting, seen = [package], {package.id}
    while waiting:
        current = waiting.pop(0)
        for definition in current.definitions:
            scope.setdefault(definition.url, definition.version)
        for name, version in current.dependencies.items():
            found = find_package(name, version, packages)
            if found is not None and found.id not in seen:
                seen.add(found.id)
                waiting.append(found)
    return scope


def find_package(name: str, version: str, packages: Iterable[Package]) -> Package | None:
    """Returns the newest of some packages that a dependency means, None where none of them is meant."""
    meant = {row.id.version: row for row in packages if row.id.name == name and is_match(version, row.id.version)}
    found = newest_match(version, meant)
    return meant[found] if found is not None else None
