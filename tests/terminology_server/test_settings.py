"""The settings of the terminology server."""

from __future__ import annotations

import pytest

from fhir_dmp.settings import SettingInvalid, read_settings


def test_no_server_is_asked_unless_one_is_named() -> None:
    settings = read_settings({})
    assert (settings.terminology_server, settings.terminology_timeout) == ("", 2)


def test_server_and_timeout_are_read() -> None:
    names = {"FHIR_DMP_TERMINOLOGY_SERVER": "https://tx.example/r4/", "FHIR_DMP_TERMINOLOGY_TIMEOUT": "0.5"}
    settings = read_settings(names)
    assert (settings.terminology_server, settings.terminology_timeout) == ("https://tx.example/r4", 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FHIR_DMP_TERMINOLOGY_SERVER", "tx.example"),
        ("FHIR_DMP_TERMINOLOGY_SERVER", "ftp://tx.example"),
        ("FHIR_DMP_TERMINOLOGY_SERVER", "https://tx.example/?x=1"),
        ("FHIR_DMP_TERMINOLOGY_TIMEOUT", "0"),
        ("FHIR_DMP_TERMINOLOGY_TIMEOUT", "soon"),
        ("FHIR_DMP_TERMINOLOGY_TIMEOUT", "nan"),
        ("FHIR_DMP_TERMINOLOGY_TIMEOUT", "61"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=name):
        read_settings({name: value})
