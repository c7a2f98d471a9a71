"""Versions of packages and definitions in their order: https://semver.org/#spec-item-11, and what else is in use."""

from __future__ import annotations

from collections.abc import Iterable

Part = tuple[int, int, str]
Key = tuple[tuple[Part, ...], bool, tuple[Part, ...]]

_WORD_IN_NUMBER, _NUMBER, _WORD = -1, 0, 1
"""Where a part of a version stands: a word among the numbers before any number, a word of a pre-release after them."""


def version_key(text: str) -> Key:
    """Returns what orders versions: `2.10.0` is newer than `2.9.0`, and both than `2.9.0-ballot`; never raises."""
    core, _, pre_release = text.removeprefix("v").partition("+")[0].partition("-")
    return _parts(core, _WORD_IN_NUMBER), not pre_release, _parts(pre_release, _WORD)


def is_match(pattern: str, version: str) -> bool:
    """Tells whether a version is meant by `2.1.0`, `2.1.x`, `2.1` or nothing at all (any)."""
    stem = pattern.removesuffix(".x").removesuffix(".*")
    return not stem or stem in {"x", "*", "latest", version} or version.startswith(f"{stem}.")


def newest_match(pattern: str, versions: Iterable[str]) -> str | None:
    """Returns the newest version that is meant, None where there is none.

    The very one that is named comes first of all, and any release before a pre-release.
    """
    found = [version for version in versions if is_match(pattern, version)]
    releases = [version for version in found if "-" not in version]
    return pattern if pattern in found else max(releases or found, key=version_key, default=None)


def _parts(text: str, word: int) -> tuple[Part, ...]:
    return tuple(_part(part, word) for part in text.split(".")) if text else ()


def _part(text: str, word: int) -> Part:
    """Numbers by their length and digits: any number of them is compared without being computed."""
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        return _NUMBER, len(digits), digits
    return word, 0, text
