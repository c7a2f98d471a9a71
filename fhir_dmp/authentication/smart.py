"""Where apps learn how to get a token: https://hl7.org/fhir/smart-app-launch/conformance.html.

`.well-known/smart-configuration`, and the older `oauth-uris` of the CapabilityStatement, which some clients still need.
"""

from __future__ import annotations

from fhir_dmp.authentication.issuers import Endpoints
from fhir_dmp.json_text import JsonObject

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SERVICE = {
    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
    "code": "SMART-on-FHIR",
    "display": "SMART-on-FHIR",
}
_CAPABILITIES = (
    "client-confidential-asymmetric",
    "permission-patient",
    "permission-user",
    "permission-offline",
    "permission-v1",
    "permission-v2",
)
_STANDALONE = ("launch-standalone", "context-standalone-patient", "client-public")
_SCOPES = (
    "launch/patient",
    "offline_access",
    "patient/*.cruds",
    "patient/*.rs",
    "user/*.cruds",
    "user/*.rs",
    "system/*.cruds",
    "system/*.rs",
)


def build_smart_configuration(endpoints: Endpoints) -> JsonObject:
    """Builds the document of `.well-known/smart-configuration`. No `issuer`: no id_token is offered."""
    has_launch = bool(endpoints.authorization)
    configuration: JsonObject = {
        "token_endpoint": endpoints.token,
        "grant_types_supported": [
            *(["authorization_code", "refresh_token"] if has_launch else []),
            "client_credentials",
        ],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": list(_SCOPES),
        "capabilities": [*(_STANDALONE if has_launch else ()), *_CAPABILITIES],
        "code_challenge_methods_supported": ["S256"],
    }
    if has_launch:
        configuration |= {"authorization_endpoint": endpoints.authorization, "response_types_supported": ["code"]}
    if endpoints.introspection:
        configuration["introspection_endpoint"] = endpoints.introspection
    if endpoints.revocation:
        configuration["revocation_endpoint"] = endpoints.revocation
    return configuration


def build_security(endpoints: Endpoints | None) -> JsonObject:
    """Builds `CapabilityStatement.rest.security`; without endpoints, only that tokens are needed."""
    security: JsonObject = {"service": [{"coding": [_SERVICE], "text": "OAuth 2 bearer tokens, SMART App Launch"}]}
    if endpoints is None:
        return security
    uris = {
        "token": endpoints.token,
        "authorize": endpoints.authorization,
        "introspect": endpoints.introspection,
        "revoke": endpoints.revocation,
    }
    pairs = [{"url": name, "valueUri": uri} for name, uri in uris.items() if uri]
    return {"extension": [{"url": OAUTH_URIS, "extension": pairs}], **security}
