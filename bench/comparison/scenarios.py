"""The scenarios: each differs from the first in one thing."""

import dataclasses

KIB = 1024


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    sessions: int = 20
    size: int = 4 * KIB
    domains: int = 0  # MX hosts, one a domain; 0: all mail goes to one smart host, and no DNS is asked
    tls_in: bool = False
    messages_per_session: int = 0  # then QUIT and connect again; 0: no limit
    tls_out: bool = False
    one_message_a_connection: bool = False  # outbound
    delay_ms: int = 0  # of each reply of the MX hosts
    sync_ms: int = 0  # what every fsync and fdatasync takes longer
    storm: bool = False  # everything is put off for a while, and tried again every two seconds
    backlog: int = 0  # messages deferred before the round begins, not due within it
    headline: bool = False


SCENARIOS = (
    Scenario("base", "4 KiB, 20 sessions, one smart host, no TLS", headline=True),
    Scenario("size-1k", "1 KiB", size=KIB),
    Scenario("size-10k", "10 KiB", size=10 * KIB),
    Scenario("size-100k", "100 KiB", size=100 * KIB, headline=True),
    Scenario("size-1m", "1 MiB", size=KIB * KIB),
    Scenario("sessions-1", "1 session", sessions=1, headline=True),
    Scenario("sessions-100", "100 sessions", sessions=100),
    Scenario("sessions-1000", "1000 sessions", sessions=1000),
    Scenario("mx-1", "MX lookups, 1 domain", domains=1),
    Scenario("mx-100", "MX lookups, 100 domains, an MX host each", domains=100, headline=True),
    Scenario("mx-1000", "MX lookups, 1000 domains, an MX host each", domains=1000),
    Scenario("tls-in", "TLS from the clients, 100 messages a session", tls_in=True, messages_per_session=100),
    Scenario("tls-out", "TLS to the MX host, connections reused where the relay can", tls_out=True, headline=True),
    Scenario("tls-out-single", "TLS to the MX host, one message a connection", tls_out=True,
             one_message_a_connection=True),
    Scenario("latency", "100 domains whose hosts take 100 ms for each reply", domains=100, delay_ms=100),
    Scenario("storm", "all recipients answered 451, tried again every 2 s, then taken", storm=True),
    Scenario("sync-1ms", "each sync takes 1 ms longer", sync_ms=1, headline=True),
    Scenario("sync-5ms", "each sync takes 5 ms longer", sync_ms=5),
    Scenario("backlog-20k", "20,000 deferred messages in the queue", backlog=20_000),
    Scenario("backlog-100k", "100,000 deferred messages in the queue", backlog=100_000),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}

POSTRIDER, TUNED, TUNED_NEW, DEFAULT = "postrider", "postfix-tuned", "postfix-tuned-new", "postfix-default"
SIDE_NAMES = {
    POSTRIDER: "postrider",
    TUNED: "Postfix, tuned",
    TUNED_NEW: "Postfix, tuned, a new connection for each message",
    DEFAULT: "Postfix, default",
}


def sides(scenario, with_default):
    """The relays that a scenario compares, by name."""
    names = [POSTRIDER, TUNED]
    if scenario.tls_out and not scenario.one_message_a_connection:
        names.append(TUNED_NEW)  # its reuse of TLS connections is slower at times
    if with_default and scenario.headline:
        names.append(DEFAULT)
    return names


def smtp_processes(scenario):
    """Postfix has one process for each remote connection; 100 to 400 gave no more with slow hosts."""
    return 200 if scenario.delay_ms else max(30, scenario.sessions)
