"""The page on which a user of the demo says who he is, and agrees. It needs no script, and nobody may frame it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from fhir_dmp.issuer.authorization import AuthorizationRequest
from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.identities import Identity
from fhir_dmp.issuer.purpose import PURPOSES

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;line-height:1.5}"
    "label{display:block;margin-top:1rem}select,input{width:100%;font:inherit;padding:.4rem;box-sizing:border-box}"
    "button{font:inherit;padding:.5rem 1.2rem;margin:1.5rem .5rem 0 0}code{overflow-wrap:anywhere}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_PURPOSES = {"TREAT": "soins", "ETREAT": "soins en urgence", "BTG": "bris de glace (motif obligatoire)"}


def build_page(client: Client, request: AuthorizationRequest, handle: str, identities: Iterable[Identity]) -> str:
    """Returns the page for one request; `handle` comes back with the decision."""
    people = "".join(_option(item.key, item.label) for item in identities)
    purposes = "".join(_option(code, f"{code} : {_PURPOSES[code]}") for code in PURPOSES)
    scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in request.scopes)
    body = f"""<h1>Autoriser une application</h1>
<p><strong>{escape(client.name or client.id)}</strong> demande l'accès :</p><ul>{scopes}</ul>
<p>Démonstration : choisissez qui vous êtes, sans mot de passe.</p>
<form method="post" action="authorize">
<input type="hidden" name="request" value="{escape(handle)}">
<label>Je suis <select name="identity"><option value="patient">un patient</option>
<option value="representative">le représentant légal d'un patient</option>
<option value="helper">l'aidant d'un patient</option>{people}</select></label>
<label>Identifiant du patient (id de la ressource Patient) <input name="patient" autocomplete="off"></label>
<label>Finalité (professionnels) <select name="purpose_of_use">{purposes}</select></label>
<label>Motif <input name="reason" maxlength="500" autocomplete="off"></label>
<button name="decision" value="allow">Autoriser</button><button name="decision" value="deny">Refuser</button>
</form>"""
    return _document(body)


def build_refusal(message: str) -> str:
    """Returns the page that says why a request is not answered at the client's address."""
    return _document(f"<h1>Demande refusée</h1><p>{escape(message)}</p>")


def _option(value: str, label: str) -> str:
    return f'<option value="{escape(value)}">{escape(label)}</option>'


def _document(body: str) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="fr"><head>{head}<title>fhir-dmp</title></head><body>{body}</body></html>'
