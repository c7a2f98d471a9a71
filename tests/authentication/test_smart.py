"""What apps read to find out how to get a token."""

from __future__ import annotations

from fhir.resources.R4B.capabilitystatement import CapabilityStatementRestSecurity

from fhir_dmp.authentication.issuers import Endpoints
from fhir_dmp.authentication.smart import OAUTH_URIS, build_security, build_smart_configuration
from fhir_dmp.issuer.scope import LAUNCH, OFFLINE, grant_scopes

FULL = Endpoints("https://a/token", "https://a/authorize", "https://a/introspect", "https://a/revoke")


def test_configuration_has_what_smart_requires() -> None:
    configuration = build_smart_configuration(FULL)
    assert configuration["token_endpoint"] == "https://a/token"
    assert configuration["authorization_endpoint"] == "https://a/authorize"
    assert configuration["introspection_endpoint"] == "https://a/introspect"
    assert configuration["revocation_endpoint"] == "https://a/revoke"
    assert configuration["code_challenge_methods_supported"] == ["S256"]
    assert "authorization_code" in configuration["grant_types_supported"]
    assert configuration["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert {"launch-standalone", "permission-v1", "permission-v2"} <= set(configuration["capabilities"])


def test_issuer_is_named_only_where_id_tokens_are_offered() -> None:
    configuration = build_smart_configuration(FULL)
    assert "sso-openid-connect" not in configuration["capabilities"]
    assert not {"issuer", "jwks_uri"} & set(configuration)


def test_scopes_that_are_offered_are_granted() -> None:
    offered = build_smart_configuration(FULL)["scopes_supported"]
    assert grant_scopes(" ".join(offered), ["patient", "user", "system"], {OFFLINE, LAUNCH}) == tuple(offered)


def test_server_of_programs_offers_no_launch() -> None:
    configuration = build_smart_configuration(Endpoints("https://a/token"))
    assert not {"authorization_endpoint", "introspection_endpoint", "revocation_endpoint"} & set(configuration)
    assert configuration["grant_types_supported"] == ["client_credentials"]
    assert "launch-standalone" not in configuration["capabilities"]


def test_capability_statement_names_the_same_addresses() -> None:
    security = build_security(FULL)
    CapabilityStatementRestSecurity.model_validate(security)
    extension = security["extension"][0]
    assert extension["url"] == OAUTH_URIS
    assert {item["url"]: item["valueUri"] for item in extension["extension"]} == {
        "token": "https://a/token",
        "authorize": "https://a/authorize",
        "introspect": "https://a/introspect",
        "revoke": "https://a/revoke",
    }
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


def test_without_known_addresses_only_the_kind_of_token_is_told() -> None:
    security = build_security(None)
    CapabilityStatementRestSecurity.model_validate(security)
    assert "extension" not in security
