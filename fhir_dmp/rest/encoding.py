"""Content codings gzip (RFC 1952) and zstd (RFC 8878): of bodies that come, and of answers that go."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Protocol

import zstandard

from fhir_dmp.outcome import Category, FhirError, error

ACCEPTED = "gzip, zstd"
_GZIP_FORM = 16 + zlib.MAX_WBITS
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3
_ZSTD_WINDOW = 8 * 1024 * 1024
"""The window that a decoder of the content coding has to have, and need not exceed (RFC 9659)."""
_STEP = 1024
"""Bytes decoded at once: they can stand for 32 MiB of zstd, and no more is made before it is counted."""
_QUALITY_OF_NONE = re.compile(r";\s*q\s*=\s*0(?:\.0{0,3})?\s*$", re.IGNORECASE)


class Coding(Enum):
    """The content codings of this server, the better one first."""

    ZSTD = "zstd"
    GZIP = "gzip"


class Compressor(Protocol):
    """What turns an answer into its coded form, part by part."""

    def compress(self, data: bytes, /) -> bytes:
        """Takes a part, and returns what is ready."""

    def flush(self) -> bytes:
        """Returns the rest."""


class Decoder(Protocol):
    """What turns a coded body back, part by part."""

    @property
    def eof(self) -> bool:
        """Tells whether the end has come."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""

    def decompress(self, data: bytes, /) -> bytes:
        """Takes a part, and returns what it stands for."""


def parse_encoding(content_encoding: str) -> Coding | None:
    """Returns the coding of a body, None where it is as it is; raises FhirError (unsupported media type)."""
    name = content_encoding.strip().lower().removeprefix("x-")
    if name in {"", "identity"}:
        return None
    try:
        return Coding(name)
    except ValueError:
        message = f"The body is encoded as {content_encoding[:40]}; here it may be {ACCEPTED}."
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "content-encoding", message) from None


@lru_cache(maxsize=512)
def choose_coding(accept_encoding: str) -> Coding | None:
    """Returns the coding of an answer; None where the client names none of ours."""
    named = {part.partition(";")[0].strip().lower(): part for part in accept_encoding.split(",")}
    for coding in Coding:
        part = named.get(coding.value) or named.get("*")
        if part and not _QUALITY_OF_NONE.search(part):
            return coding
    return None


def decode(coding: Coding, data: bytes, limit: int) -> bytes | None:
    """Returns a body decoded, None where it has more than `limit` bytes: no more than these are kept.

    Raises FhirError (malformed) where the data is not what it was said to be, or ends too early.
    """
    parts, size = [], 0
    try:
        for part in _decode(coding, data):
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
    except (zlib.error, zstandard.ZstdError):
        raise _broken(coding) from None
    return b"".join(parts)


def open_compressor(coding: Coding) -> Compressor:
    """Returns what encodes one answer."""
    if coding is Coding.GZIP:
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORM)
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()


def _decode(coding: Coding, data: bytes) -> Iterator[bytes]:
    """Decodes all members of a gzip, or frames of a zstd, that follow one another."""
    member = _open_decoder(coding)
    for start in range(0, len(data), _STEP):
        rest = data[start : start + _STEP]
        while rest:
            if member.eof:
                member = _open_decoder(coding)
            yield member.decompress(rest)
            rest = member.unused_data if member.eof else b""
    if data and not member.eof:
        raise _broken(coding)


def _open_decoder(coding: Coding) -> Decoder:
    if coding is Coding.GZIP:
        return zlib.decompressobj(_GZIP_FORM)
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()


def _broken(coding: Coding) -> FhirError:
    message = f"The body is no {coding.value}, although Content-Encoding says so, or it is cut off."
    return error(Category.MALFORMED, "content-encoding-broken", message)
