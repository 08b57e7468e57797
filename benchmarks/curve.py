"""A plot of two judges' scores against how far the policy went, as an SVG file."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import sqrt

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 56
INKS = ("#0b6bcb", "#b4441c")
Point = Mapping[str, float]


def curve(points: Sequence[Point], names: Mapping[str, str]) -> str:
    """Return an SVG of each named figure with its interval (NAME_low, NAME_high) over the root of kl.

    The root, as in Gao et al. 2022 (arXiv 2210.10760), for a score rises about as fast as it at first.
    """
    across = [sqrt(max(0.0, point["kl"])) for point in points]
    heights = [point[f"{name}{end}"] for point in points for name in names for end in ("_low", "_high")]
    low, high = min([0.0, *heights]), max([0.0, *heights])
    place = _Places(max([*across, 1e-9]), low, high if high > low else low + 1)
    drawn = [*_axes(place), *_legend(names)]
    for (name, _), ink in zip(names.items(), INKS, strict=False):
        drawn += _line(points, across, name, ink, place)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="13" fill="#222">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


class _Places:
    """Where a number stands in the picture."""

    def __init__(self, right: float, low: float, high: float) -> None:
        self.right, self.low, self.high = right, low, high

    def x(self, value: float) -> float:
        return round(LEFT + value / self.right * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _axes(place: _Places) -> Iterator[str]:
    for number in range(5):
        across = place.right * number / 4
        height = place.low + (place.high - place.low) * number / 4
        x, y = place.x(across), place.y(height)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{height:.2f}</text>'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{across:.2f}</text>'
    words = "square root of KL from the start, nats"
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{words}</text>'


def _legend(names: Mapping[str, str]) -> Iterator[str]:
    for number, (words, ink) in enumerate(zip(names.values(), INKS, strict=False)):
        x = LEFT + number * (WIDTH - LEFT) / 2
        yield f'<text x="{x}" y="20" fill="{ink}">{escape(words)}</text>'


def _line(
    points: Sequence[Point], across: Sequence[float], name: str, ink: str, place: _Places
) -> Iterator[str]:
    dots = [(place.x(x), place.y(point[name])) for x, point in zip(across, points, strict=True)]
    path = " ".join(f"{x},{y}" for x, y in dots)
    yield f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"/>'
    for (x, y), point in zip(dots, points, strict=True):
        low, high = place.y(point[f"{name}_low"]), place.y(point[f"{name}_high"])
        yield f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{ink}" opacity="0.5"/>'
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{ink}"/>'
