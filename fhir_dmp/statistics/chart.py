"""The numbers as a picture, image/svg+xml: stacked columns, one for each month or week. https://www.w3.org/TR/SVG11/."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

MEDIA_TYPE = "image/svg+xml"
_WIDTH, _HEIGHT = 1060, 340
_LEFT, _TOP, _RIGHT, _BASE = 70, 40, 720, 290
_LEGEND = _RIGHT + 20
_GRID_LINES = 4
_MOST_LABELS = 13
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#595959", "#8c564b",
            "#1b3a5c", "#b2df8a", "#c0c0c0")  # fmt: skip
"""Told apart by those who do not see red and green, too; the first eight are Okabe and Ito's."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A diagram: counts by series and period. `periods` are all columns, those without any count too."""

    title: str
    periods: Sequence[date]
    series: Mapping[str, Mapping[date, int]]


def gather(rows: Sequence[tuple[str, date, int]]) -> dict[str, dict[date, int]]:
    """Returns counts by series and period; those of one cell are added up."""
    found: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for name, period, count in rows:
        found[name][period] += count
    return {name: dict(counts) for name, counts in sorted(found.items())}


def draw(panels: Sequence[Panel], note: str) -> bytes:
    """Returns the picture of diagrams one below the other, with a note under them."""
    height = _HEIGHT * len(panels) + 30
    parts = [f'<text x="{_LEFT}" y="{height - 10}">{escape(note)}</text>']
    for place, panel in enumerate(panels):
        drawn = "".join(_draw_panel(panel))
        parts.append(f'<g transform="translate(0 {place * _HEIGHT})">{drawn}</g>')
    label = escape("; ".join(panel.title for panel in panels))
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" xml:lang="fr" {style}><title>{label}</title>'
    return f'{head}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'.encode()


def _draw_panel(panel: Panel) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="22" font-size="15">{escape(panel.title)}</text>'
    totals = [sum(counts.get(period, 0) for counts in panel.series.values()) for period in panel.periods]
    step = nice_step(max(totals, default=0))
    yield from _draw_scale(step)
    yield from _draw_columns(panel, step * _GRID_LINES)
    yield from _draw_labels(panel.periods)
    for place, name in enumerate(panel.series):
        y = _TOP + 20 * place
        yield f'<rect x="{_LEGEND}" y="{y}" width="12" height="12" fill="{_COLOURS[place % len(_COLOURS)]}"/>'
        yield f'<text x="{_LEGEND + 18}" y="{y + 11}">{escape(name)}</text>'


def nice_step(largest: int) -> int:
    """Returns the distance of the lines of a scale: 1 to 5 with zeros after it, enough for the largest number."""
    unit = 1
    while True:
        for factor in range(1, 6):
            if factor * unit * _GRID_LINES >= largest:
                return factor * unit
        unit *= 10


def _draw_scale(step: int) -> Iterator[str]:
    for line in range(_GRID_LINES + 1):
        y = _BASE - (_BASE - _TOP) * line // _GRID_LINES
        yield f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{_write_number(step * line)}</text>'


def _draw_columns(panel: Panel, top: int) -> Iterator[str]:
    width = (_RIGHT - _LEFT) / max(len(panel.periods), 1)
    for place, period in enumerate(panel.periods):
        x, y = _LEFT + place * width, float(_BASE)
        for number, (name, counts) in enumerate(panel.series.items()):
            count = counts.get(period, 0)
            height = (_BASE - _TOP) * count / top
            y -= height
            if count:
                said = escape(f"{period}, {name} : {_write_number(count)}")
                shape = f'x="{x + width * 0.1:.1f}" y="{y:.1f}" width="{width * 0.8:.1f}" height="{height:.1f}"'
                yield f'<rect {shape} fill="{_COLOURS[number % len(_COLOURS)]}"><title>{said}</title></rect>'


def _draw_labels(periods: Sequence[date]) -> Iterator[str]:
    width = (_RIGHT - _LEFT) / max(len(periods), 1)
    every = -(-len(periods) // _MOST_LABELS) or 1
    for place, period in list(enumerate(periods))[::every]:
        x = _LEFT + (place + 0.5) * width
        yield f'<text x="{x:.1f}" y="{_BASE + 16}" text-anchor="middle" font-size="10">{period:%d/%m/%y}</text>'


def _write_number(number: int) -> str:
    """A number as French writes it, in groups of three digits."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
