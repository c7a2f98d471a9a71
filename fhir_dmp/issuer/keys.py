"""The keys that the local issuer signs with: made once, and kept in the data folder where only its owner reads them."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.json_text import JsonObject

FILE = Path("issuer") / "keys.json"
_CURVES = {"ES256": "P-256", "ES384": "P-384"}


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """One private key per algorithm."""

    by_algorithm: dict[str, ECKey]

    @property
    def public(self) -> JsonObject:
        """The JWK Set that everyone may have."""
        return {"keys": [_describe(name, key, private=False) for name, key in self.by_algorithm.items()]}

    def sign(self, claims: JsonObject, algorithm: str = "ES256") -> str:
        """Returns an access token (RFC 9068) with these claims."""
        key = self.by_algorithm[algorithm]
        header = {"alg": algorithm, "kid": key.thumbprint(), "typ": "at+jwt"}
        return jwt.encode(header, claims, key, algorithms=[algorithm])


def make_keys() -> SigningKeys:
    """Returns new keys."""
    return SigningKeys({name: ECKey.generate_key(curve) for name, curve in _CURVES.items()})


def load_keys(data_dir: Path) -> SigningKeys:
    """Returns the keys of a data folder; the first who asks makes them. Raises OSError and SettingUnusable."""
    file = data_dir / FILE
    if not file.exists():
        _create(file, make_keys())
    try:
        stored = orjson.loads(file.read_bytes())
        return SigningKeys({name: _import_key(stored, name) for name in _CURVES})
    except (ValueError, KeyError, TypeError, StopIteration, JoseError):
        raise SettingUnusable(f"{file} holds no keys: remove it, and new ones are made") from None


def _import_key(stored: JsonObject, algorithm: str) -> ECKey:
    return ECKey.import_key(next(key for key in stored["keys"] if key["alg"] == algorithm))


def _create(file: Path, keys: SigningKeys) -> None:
    """Writes the file in full before it has its name; of several processes at once, the first wins."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = orjson.dumps({"keys": [_describe(name, key, private=True) for name, key in keys.by_algorithm.items()]})
    handle, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
        with suppress(FileExistsError):
            Path(file).hardlink_to(name)
    finally:
        Path(name).unlink()


def _describe(algorithm: str, key: ECKey, *, private: bool) -> JsonObject:
    return {**key.as_dict(private=private), "kid": key.thumbprint(), "alg": algorithm, "use": "sig"}
