"""The writer thread: order, back-pressure, errors that reach everyone."""

import threading
import time

import pytest

from atlas_fast.errors import StoreError
from atlas_fast.store.writer import Writer


def test_items_are_written_in_order():
    seen = []
    writer = Writer(seen.append, capacity=2)
    for item in range(50):
        writer.put(item)
    writer.close()
    writer.close()
    assert seen == list(range(50))


def test_the_queue_is_bounded():
    go, taken = threading.Event(), []
    writer = Writer(lambda item: (go.wait(10), taken.append(item)), capacity=2)
    started = threading.Event()

    def feed():
        for item in range(6):
            writer.put(item)
            if item == 2:
                started.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert started.wait(5)
    time.sleep(0.05)
    assert feeder.is_alive()  # one in hand, two queued, the fourth waits
    go.set()
    feeder.join(5)
    writer.close()
    assert taken == list(range(6))


def test_first_error_reaches_put_and_close():
    seen = []

    def write(item):
        if item == 3:
            raise StoreError("disk full")
        seen.append(item)

    writer = Writer(write, capacity=1)
    with pytest.raises(StoreError, match="disk full"):
        for item in range(1000):
            writer.put(item)
    with pytest.raises(StoreError, match="disk full"):
        writer.close()
    assert seen == [0, 1, 2]


def test_put_after_close_is_refused():
    writer = Writer(print)
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.put(1)


def test_drain_waits_for_what_was_put_and_goes_on():
    done = []

    def write(item):
        time.sleep(0.01)
        done.append(item)

    writer = Writer(write)
    for round_ in range(3):
        for item in range(3):
            writer.put((round_, item))
        writer.drain()
        assert len(done) == 3 * (round_ + 1)
    writer.close()


def test_drain_raises_the_first_error():
    writer = Writer(lambda item: 1 / 0)
    writer.put(1)
    with pytest.raises(ZeroDivisionError):
        writer.drain()
    writer.stop()
