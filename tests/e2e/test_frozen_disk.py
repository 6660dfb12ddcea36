"""A disk that hangs in a write: whoever comes then is told so, and nothing is lost."""

import concurrent.futures
import contextlib

import pytest

import under_fault
from disks import must
from relay_process import is_root
from waiting import wait_for

pytestmark = pytest.mark.skipif(not is_root(), reason="only root can mount a disk")


@pytest.fixture
def relay(disk, queue_relay):  # after the disk: stopped before it goes
    return queue_relay(disk.data, disk_reserve="16MiB").start()


@contextlib.contextmanager
def frozen(disk):
    """Writes to it wait meanwhile."""
    must("fsfreeze", "--freeze", disk.mounted)
    try:
        yield
    finally:
        must("fsfreeze", "--unfreeze", disk.mounted)


def test_mail_is_refused_while_a_write_hangs(relay, disk, held_internet):
    acknowledged = {}
    with concurrent.futures.ThreadPoolExecutor() as clients:
        with frozen(disk):
            waiting = clients.submit(under_fault.submit_once, relay, acknowledged)
            wait_for("the write to hang", lambda: "a write to the disk does not end" in relay.log())
            assert under_fault.submit_once(relay, acknowledged) == 451
            assert relay.metrics()['postrider_queue_refused_total{reason="busy"}'] == 1
            assert not waiting.done()
        assert waiting.result() == 250
    assert under_fault.accepts_again(relay, acknowledged)
    relay.stop()
    under_fault.check_all_delivered(relay, held_internet, acknowledged)
