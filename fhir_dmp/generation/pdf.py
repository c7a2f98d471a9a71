"""The smallest PDF that shows lines of text on a page: ISO 32000-1, one page, one standard font."""

from __future__ import annotations

from collections.abc import Sequence

_HEAD = b"%PDF-1.4\n"
_FIXED = (
    b"<</Type/Catalog/Pages 2 0 R/Lang(fr-FR)>>",
    b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>",
    b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
)


def write_pdf(lines: Sequence[str]) -> bytes:
    """Returns a page of lines; what Windows-1252 has no letter for becomes a question mark."""
    shown = b"".join(b"(%s) Tj T*\n" % _escape(line) for line in lines)
    stream = b"BT /F 11 Tf 16 TL 56 780 Td\n" + shown + b"ET"
    bodies = (*_FIXED, b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    text, places = _HEAD, []
    for number, body in enumerate(bodies, start=1):
        places.append(len(text))
        text += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(bodies) + 1
    return text + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(text))
    )


def _escape(line: str) -> bytes:
    data = line.encode("cp1252", errors="replace")
    return data.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
