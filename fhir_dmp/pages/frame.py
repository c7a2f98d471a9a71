"""What every page has around it: its style, and headers that let it load nothing and be framed by nobody."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.55 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "h1,h2{line-height:1.2}pre{overflow-x:auto;padding:.7rem;border:1px solid #8886;border-radius:.3rem}"
    "code{font-size:.9em;overflow-wrap:anywhere}pre code{overflow-wrap:normal}"
    "table{border-collapse:collapse}"
    "th,td{border:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:0 3rem}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "cache-control": "public, max-age=300",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def build_document(title: str, language: str, body: str) -> str:
    """Returns a whole page; `body` is HTML, `language` a BCP 47 code."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="{language}"><head>{head}<title>{escape(title)}</title></head>\n'
        f"<body>\n{body}</body></html>\n"
    )
