"""Small disks that fill up under load: 452 before anything breaks, and nothing lost that got a 250."""

import os

import pytest

import under_fault
from acknowledged import read_acknowledged
from disks import TmpDisk
from relay_process import RUN_AS, is_root
from waiting import wait_for

MIB = 1 << 20
FULL_SECONDS = 2  # of load on a disk that is full
STORE = {"memtable_size": "1MiB", "log_size_max": "4MiB"}

pytestmark = pytest.mark.skipif(not is_root(), reason="only root can mount a disk")


@pytest.fixture
def new_disk(directory):
    disks = []

    def make(size, files=0):
        disks.append(TmpDisk(directory("disk"), RUN_AS, size, files))
        return disks[-1]
    yield make
    for disk in disks:
        disk.close()


@pytest.fixture
def disk_relay(new_disk, queue_relay):  # after the disk: stopped before it goes
    return queue_relay


def free_bytes(disk):
    space = os.statvfs(disk.mounted)
    return space.f_bavail * space.f_frsize


def take_bytes(disk, left=0):
    """Fills the disk to its end, or until so much is left; returns what to remove."""
    junk = disk.mounted / "junk"
    with open(junk, "wb", buffering=0) as file:
        try:
            while free_bytes(disk) > left:
                if file.write(b"x" * min(MIB, free_bytes(disk) - left)) == 0:
                    break
        except OSError:
            pass
    return [junk]


def take_files(disk):
    """Makes files until there can be no more; returns what to remove."""
    junk = []
    try:
        while True:
            junk.append(disk.mounted / f"junk-{len(junk)}")
            junk[-1].touch()
    except OSError:
        return junk[:-1]


def test_mail_that_fills_the_disk_is_put_off(new_disk, disk_relay, held_internet, directory):
    """The reserve is not used up; with more space mail is taken again, without a start."""
    disk = new_disk(400 * MIB)
    relay = disk_relay(disk.data, **STORE).start()  # with the reserve that users have
    file = directory("ids") / "ids"
    load = under_fault.begin_load(relay, file, [under_fault.HELD], size="200k")
    acknowledged = {}
    wait_for("mail to be put off", lambda: under_fault.submit_once(relay, acknowledged) == 452)
    load.stop()
    assert relay.running() and not under_fault.CLEAR_WORDS.search(relay.log()), relay.log()[-2000:]
    free = free_bytes(disk)
    assert free > 0
    disk.grow(800 * MIB)
    assert under_fault.accepts_again(relay, acknowledged)
    relay.stop()
    acknowledged |= read_acknowledged([file])
    print(f"{len(acknowledged)} acknowledged, {free // MIB} MiB left")
    under_fault.check_all_delivered(relay, held_internet, acknowledged)


@pytest.mark.parametrize("take", [take_bytes, take_files])
def test_a_disk_that_others_fill_loses_nothing(new_disk, disk_relay, held_internet, directory, take):
    """To its end, below any reserve: the kernel says ENOSPC in the middle of everything."""
    disk = new_disk(96 * MIB, files=200)
    relay = disk_relay(disk.data, disk_reserve="1MiB", **STORE).start()
    file = directory("ids") / "ids"
    load = under_fault.begin_load(relay, file)
    junk = take(disk)
    acknowledged = {}
    codes = under_fault.submit_for(relay, FULL_SECONDS, acknowledged)
    load.stop()
    under_fault.check_codes(relay, codes)
    assert codes != {250}, "the disk was not full: the test would prove nothing"
    for path in junk:
        path.unlink()
    recovered = under_fault.accepts_again(relay, acknowledged)
    acknowledged |= read_acknowledged([file])
    print(f"{under_fault.state(relay, recovered)}; replies {codes}; {len(acknowledged)} acknowledged")
    under_fault.end(relay)
    under_fault.check_all_delivered(relay, held_internet, acknowledged)


def test_a_start_on_a_full_disk(new_disk, disk_relay, held_internet, directory):
    """What the logs hold has no room as tables; mail is put off, and taken again when there is space."""
    disk = new_disk(192 * MIB)
    relay = disk_relay(disk.data, disk_reserve="32MiB").start()
    file = directory("ids") / "ids"
    load = under_fault.begin_load(relay, file, [under_fault.HELD], size="200k")
    load.stop()
    relay.kill()
    acknowledged = read_acknowledged([file])
    junk = take_bytes(disk, left=MIB)
    relay.start()
    assert under_fault.submit_once(relay, acknowledged) == 452
    for path in junk:
        path.unlink()
    assert under_fault.accepts_again(relay, acknowledged)
    relay.stop()
    under_fault.check_all_delivered(relay, held_internet, acknowledged)


def test_a_start_without_a_single_octet_says_what_to_do(new_disk, disk_relay):
    disk = new_disk(16 * MIB)
    take_bytes(disk)
    relay = disk_relay(disk.data)
    relay.spawn()
    assert relay.wait_end() == 1
    assert "No space left on device" in relay.log() and "give it space" in relay.log()
    assert str(disk.data) in relay.log()


def test_a_limit_of_file_sizes_is_like_a_full_disk(queue_relay, held_internet, directory):
    relay = queue_relay(**STORE)
    relay.file_size_max = MIB
    relay.start()
    file = directory("ids") / "ids"
    load = under_fault.begin_load(relay, file, [under_fault.HELD], size="20k")
    acknowledged = {}
    wait_for("mail to be put off", lambda: under_fault.submit_once(relay, acknowledged) in under_fault.REFUSALS)
    load.stop()
    assert relay.running()
    assert under_fault.CLEAR_WORDS.search(relay.log()), relay.log()[-2000:]
    relay.stop()
    relay.file_size_max = None
    acknowledged |= read_acknowledged([file])
    under_fault.check_all_delivered(relay, held_internet, acknowledged)
