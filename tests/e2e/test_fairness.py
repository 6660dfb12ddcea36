"""What is dead or slow holds up its own mail alone."""

import time

from submission import submit


def test_names_whose_servers_are_silent_do_not_hold_up_others(new_relay, new_internet):
    internet = new_internet("d[1-1500].dead.test dns=timeout", "one.test mx=@1", "client.test mx=@4")
    relay = new_relay(internet, dns={"servers": [internet.dns], "in_flight_max": 50, "query_timeout": "3s", "tries": 3,
                                     "failure_ttl": "1m"})
    for first in range(1, 1500, 100):
        submit(relay, [f"ann@d{number}.dead.test" for number in range(first, first + 100)])
    began = time.monotonic()
    submit(relay, "ann@one.test")
    internet.wait_received("ann@one.test")
    # In one line, with places held for a timeout each, it would come 30 timeouts and their repetitions later.
    assert time.monotonic() - began < 3
