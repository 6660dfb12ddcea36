"""Plots as SVG, by hand: few lines, both axes labelled, no other program."""

import html
import math

from comparison import figures
from comparison.figures import ACCEPTED, DELIVERED
from comparison.scenarios import BY_NAME, DEFAULT, KIB, POSTRIDER, SIDE_NAMES, TUNED

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 24, 48, 64
LEGEND_LINE, LEGEND_COLUMN = 18, 300
# Told apart without colour, too: by dashes and marks.
STYLES = {POSTRIDER: "#0b5fa5", TUNED: "#c2410c", DEFAULT: "#6b7280"}


class Axis:
    """Numbers to places on the paper; logarithmic, with a tick at each of `ticks`."""

    def __init__(self, values, start, end, logarithmic, ticks=None):
        self.logarithmic, self.start, self.end = logarithmic, start, end
        low, high = min(values), max(values)
        if logarithmic:
            self.ticks = ticks or decades(low, high)
            self.low, self.high = math.log10(min(low, self.ticks[0])), math.log10(max(high, self.ticks[-1]))
        else:
            self.ticks = ticks or steps(high)
            self.low, self.high = 0, max(high, self.ticks[-1])
        if self.low == self.high:
            self.high += 1

    def place(self, value):
        at = math.log10(max(value, 1e-9)) if self.logarithmic else value
        return self.start + (at - self.low) / (self.high - self.low) * (self.end - self.start)


def decades(low, high):
    """1, 2 and 5 times powers of ten around all values; only the powers where that were many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    fine = [m * 10.0 ** e for e in range(first, last + 1) for m in (1, 2, 5)]
    fine = [tick for tick in fine if low / 2.5 < tick < high * 2.5]
    return fine if len(fine) <= 12 else [10.0 ** e for e in range(first, last + 1)]


def steps(high):
    size = 10.0 ** math.floor(math.log10(high or 1))
    size = next(size * part for part in (0.1, 0.2, 0.5, 1, 2) if high / (size * part) <= 8)
    return [size * n for n in range(math.ceil(high / size) + 1)]


def show(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"


class Chart:
    """`lines`: (name, colour, dashes, [(x, y)])."""

    def __init__(self, title, x_label, y_label, lines, x_ticks=None, x_names=None, log_x=True, log_y=False):
        self.title, self.x_label, self.y_label, self.lines = title, x_label, y_label, lines
        xs = [x for line in lines for x, _ in line[3]]
        ys = [y for line in lines for _, y in line[3]]
        self.x = Axis(xs, LEFT, WIDTH - RIGHT, log_x, x_ticks)
        self.columns = 2 if len(lines) > 3 else 1  # of the legend
        self.y = Axis(ys, HEIGHT - BOTTOM, TOP + LEGEND_LINE * math.ceil(len(lines) / self.columns), log_y)
        self.x_names = x_names or [show(tick) for tick in self.x.ticks]

    def svg(self):
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
                 f'height="{HEIGHT}" font-family="sans-serif" font-size="13" fill="#1f2937">',
                 f'<title>{html.escape(self.title)}</title>',
                 f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
                 text(LEFT, 24, self.title, size=16, weight="bold"), *self.axes()]
        for number, (name, colour, dashes, points) in enumerate(self.lines):
            parts += self.curve(colour, dashes, points)
            down = TOP + LEGEND_LINE * (number // self.columns)
            right = LEFT + LEGEND_COLUMN * (number % self.columns)
            parts.append(line(right, down - 4, right + 32, down - 4, colour, dashes, 2.5))
            parts.append(text(right + 40, down, name))
        return "\n".join([*parts, "</svg>"]) + "\n"

    def axes(self):
        bottom = HEIGHT - BOTTOM
        for tick in self.y.ticks:
            at = self.y.place(tick)
            yield line(LEFT, at, WIDTH - RIGHT, at, "#e5e7eb")
            yield text(LEFT - 8, at + 4, show(tick), anchor="end")
        for tick, name in zip(self.x.ticks, self.x_names):
            at = self.x.place(tick)
            yield line(at, bottom, at, bottom + 6, "#1f2937")
            yield text(at, bottom + 22, name, anchor="middle")
        yield line(LEFT, bottom, WIDTH - RIGHT, bottom, "#1f2937")
        yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, self.x_label, anchor="middle")
        middle = (self.y.start + self.y.end) / 2
        yield (f'<text x="20" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 20 {middle:.0f})">'
               f'{html.escape(self.y_label)}</text>')

    def curve(self, colour, dashes, points):
        places = [(self.x.place(x), self.y.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" '
               f'stroke-dasharray="{dashes}"/>')
        if len(places) <= 8:
            yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places)


def text(x, y, words, anchor="start", size=13, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
            f'{html.escape(words)}</text>')


def line(x1, y1, x2, y2, colour, dashes="", width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}" stroke-dasharray="{dashes}"/>')


def rate_lines(results, along):
    """Accepted and delivered rates of each relay along [(x, scenario)]."""
    lines = []
    for side, colour in STYLES.items():
        for key, word, dashes in ((ACCEPTED, "accepted/s", "6 4"), (DELIVERED, "delivered/s", "")):
            points = [(x, rate) for x, name in along if (rate := figures.median(results.get(name), side, key))]
            if len(points) > 1:
                lines.append((f"{SIDE_NAMES[side]}, {word}", colour, dashes, points))
    return lines


def by_sessions(results):
    along = [(1, "sessions-1"), (20, "base"), (100, "sessions-100"), (1000, "sessions-1000")]
    lines = rate_lines(results, along)
    return lines and Chart("Throughput by sessions (4 KiB)", "sessions of the load generator", "messages a second",
                           lines, x_ticks=[x for x, _ in along], log_y=True)


def by_size(results):
    along = [(KIB, "size-1k"), (4 * KIB, "base"), (10 * KIB, "size-10k"), (100 * KIB, "size-100k"),
             (KIB * KIB, "size-1m")]
    lines = rate_lines(results, along)
    return lines and Chart("Throughput by size (20 sessions)", "size of a message", "messages a second", lines,
                           x_ticks=[x for x, _ in along], x_names=["1 KiB", "4 KiB", "10 KiB", "100 KiB", "1 MiB"],
                           log_y=True)


def by_depth(results):
    lines = []
    names = ("base", "backlog-20k", "backlog-100k")
    for side, colour in STYLES.items():
        points = [(BY_NAME[name].backlog / 1000, cpu) for name in names
                  if (cpu := figures.median(results.get(name), side, "cpu"))]
        if len(points) > 1:
            lines.append((SIDE_NAMES[side], colour, "", points))
    return lines and Chart("Cost by queue depth (4 KiB, 20 sessions)", "thousands of deferred messages in the queue",
                           "CPU seconds per 1000 messages", lines, log_x=False)


def latency(results):
    lines = []
    for side, colour in STYLES.items():
        rounds = (results.get("base") or {"sides": {}})["sides"].get(side, {}).get("rounds")
        if rounds:
            # The middle round by its median latency.
            middle = sorted(rounds, key=lambda done: done["ack_us"]["p50"])[len(rounds) // 2]
            shares = middle["ack_us"]["quantiles"].items()
            lines.append((SIDE_NAMES[side], colour, "",
                          [(max(1, micros) / 1000, 100 * float(share)) for share, micros in shares]))
    return lines and Chart("How long a 250 takes (4 KiB, 20 sessions)",
                           "milliseconds from the end of the data to its reply", "percent of the messages", lines)


CHARTS = {"throughput-by-sessions.svg": by_sessions, "throughput-by-size.svg": by_size,
          "cost-by-depth.svg": by_depth, "latency.svg": latency}


def draw(results, folder):
    """Writes what can be drawn of these results; (file, title) of each. What was there before goes."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for file, chart_of in CHARTS.items():
        (folder / file).unlink(missing_ok=True)
        chart = chart_of(results)
        if chart:
            (folder / file).write_text(chart.svg())
            drawn.append((file, chart.title))
    return drawn
