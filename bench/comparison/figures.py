"""Medians, spreads and ratios of the rounds of a result."""

import dataclasses
import math
import statistics

from comparison.scenarios import DEFAULT, POSTRIDER, TUNED, TUNED_NEW

# Of a round.
ACCEPTED = "accepted_per_s"
DELIVERED = "delivered_per_s"


@dataclasses.dataclass(frozen=True)
class Figure:
    median: float
    least: float
    most: float

    def text(self, digits=0):
        if self.least == self.most:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} to {self.most:,.{digits}f})"


def value(done, key):
    """`key` may lead into a part, as in ack_us.p50."""
    for part in key.split("."):
        if not isinstance(done, dict) or part not in done:
            return None
        done = done[part]
    return done


def figure(result, side, key, scale=1.0):
    """None where there is no such figure."""
    if result is None or side not in result["sides"]:
        return None
    values = [value(done, key) for done in result["sides"][side]["rounds"]]
    values = [number * scale for number in values if number is not None]
    return Figure(statistics.median(values), min(values), max(values)) if values else None


def median(result, side, key, scale=1.0):
    found = figure(result, side, key, scale)
    return found.median if found else None


def rival(result):
    """The tuned Postfix to compare with: where there are two, the one that delivers more."""
    names = [name for name in (TUNED, TUNED_NEW) if name in result["sides"]]
    return max(names, key=lambda name: median(result, name, DELIVERED) or 0)


def ratio(result, key, side=POSTRIDER, other=None):
    mine, theirs = median(result, side, key), median(result, other or rival(result), key)
    return mine / theirs if mine and theirs else None


def system_calls(result, side):
    traced = result["sides"].get(side, {}).get("system_calls")
    return traced["per_message"] if traced else None


@dataclasses.dataclass(frozen=True)
class Target:
    what: str
    scenario: str
    key: str
    target: float
    beyond: float
    absolute: bool = False  # a figure of postrider alone, at most the target; else a ratio to tuned Postfix
    inverse: bool = False  # the ratio counts the other way round: Postfix to postrider

    def reached(self, result):
        """The figure; None where it was not measured."""
        if result is None:
            return None
        if self.key == "system_calls":
            return system_calls(result, POSTRIDER)
        if self.absolute:
            return median(result, POSTRIDER, self.key)
        found = ratio(result, self.key)
        return 1 / found if found and self.inverse else found

    def met(self, reached, bound):
        return reached <= bound if self.absolute else reached >= bound

    def show(self, number):
        if self.absolute:
            return f"{math.ceil(number):,}"
        rounded = f"{math.floor(10 * number) / 10:.1f}"  # not up: 7.96 is not 8
        return f"1/{rounded}" if self.inverse else f"{rounded}x"


TARGETS = (
    Target("accepted/s, 4 KiB, 20 sessions", "base", ACCEPTED, 8, 12),
    Target("accepted/s, 4 KiB, 100 sessions", "sessions-100", ACCEPTED, 8, 12),
    Target("delivered/s, 4 KiB, 20 sessions, one smart host", "base", DELIVERED, 8, 12),
    Target("delivered/s, 4 KiB, 20 sessions, MX over 100 domains", "mx-100", DELIVERED, 8, 12),
    Target("delivered/s, 100 KiB, 20 sessions", "size-100k", DELIVERED, 3, 6),
    Target("accepted/s, 1 session", "sessions-1", ACCEPTED, 4, 6),
    Target("CPU per 1000 messages, 4 KiB", "base", "cpu", 8, 14, inverse=True),
    Target("CPU per 1000 messages, 100 KiB", "size-100k", "cpu", 4, 8, inverse=True),
    Target("delivered/s, TLS out with reused connections", "tls-out", DELIVERED, 10, 15),
    Target("delivered/s, each sync 1 ms longer", "sync-1ms", DELIVERED, 5, 8),
    Target("system calls per message, 4 KiB, 20 sessions", "base", "system_calls", 30, 15, absolute=True),
    Target("MiB of memory under the 4 KiB load", "base", "pss_mib", 256, 128, absolute=True),
)

__all__ = ["ACCEPTED", "DELIVERED", "DEFAULT", "TARGETS", "Figure", "figure", "median", "ratio", "rival",
           "system_calls"]
