"""Outgoing buffers: leased once at a time, and not before every send has let go."""

from __future__ import annotations

import threading

import numpy as np

from edged.privacy.buffers import SPARE, OutgoingPool


class Sending:
    """A zero-copy send that is under way until it is told."""

    def __init__(self):
        self.done = False


def test_a_released_buffer_is_leased_again():
    """Allocated once for each shape."""
    pool = OutgoingPool()
    first = pool.lease(48, 64)
    memory = first.image
    first.release()
    assert np.shares_memory(pool.lease(48, 64).image, memory)


def test_two_leases_never_share_memory():
    """Until one of them is released."""
    pool = OutgoingPool()
    assert not np.shares_memory(pool.lease(48, 64).image, pool.lease(48, 64).image)


def test_another_shape_gets_other_memory():
    """Also when it has as many pixels."""
    pool = OutgoingPool()
    first = pool.lease(48, 64)
    first.release()
    other = pool.lease(64, 48)
    assert other.image.shape == (64, 48, 3)
    assert not np.shares_memory(other.image, first.image)


def test_memory_under_a_send_is_not_leased():
    """Released, but a viewer still reads it; once it is done it is."""
    pool, sending = OutgoingPool(), [Sending(), Sending()]
    first = pool.lease(48, 64)
    for one in sending:
        first.hold(one)
    first.hold(None)
    first.release()
    sending[0].done = True
    assert not first.free()
    assert not np.shares_memory(pool.lease(48, 64).image, first.image)
    sending[1].done = True
    assert np.shares_memory(pool.lease(48, 64).image, first.image)


def test_a_second_release_does_nothing():
    """Else two frames would be written into one buffer."""
    pool = OutgoingPool()
    first = pool.lease(48, 64)
    first.release()
    first.release()
    assert not np.shares_memory(pool.lease(48, 64).image, pool.lease(48, 64).image)


def test_few_buffers_rest():
    """What many frames at once needed is given back."""
    pool = OutgoingPool()
    for lease in [pool.lease(8, 8) for _ in range(SPARE + 5)]:
        lease.release()
    assert len(pool._resting) == SPARE


def test_threads_do_not_get_one_buffer():
    """Each writes its number and reads it back."""
    pool, wrong = OutgoingPool(), []

    def work(number):
        for _ in range(200):
            lease = pool.lease(16, 16)
            lease.image[:] = number
            if not (lease.image == number).all():
                wrong.append(number)
            lease.release()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
