"""The numbers as a table, text/csv: https://www.rfc-editor.org/rfc/rfc4180. Codes alone, which no spreadsheet runs."""

from __future__ import annotations

import csv
import io

from fhir_dmp.statistics.figures import Figures

MEDIA_TYPE = "text/csv"
_HEADER = ("figure", "period", "department", "channel", "class", "count")


def write_table(figures: Figures) -> bytes:
    """Returns a line for each number; `period` is the first day of its month or week."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for row in figures.opened:
        cell = row.opening
        writer.writerow(("records-opened", cell.month, cell.department, cell.channel, "", row.count))
    for fed in figures.fed:
        writer.writerow(("documents-fed", fed.week, "", "", fed.document_class, fed.count))
    return text.getvalue().encode()
