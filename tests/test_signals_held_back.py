"""Signals wait while a worker process is started."""

import os
import signal
import threading

import pytest

from voxcli.processes import signals_held_back


class Came(BaseException):
    pass


def raise_came(number, frame):
    raise Came(number)


@pytest.fixture
def handlers():
    before = {number: signal.signal(number, raise_came) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_answered_at_the_end_of_the_block(handlers, number):
    done = []
    with pytest.raises(Came) as caught, signals_held_back():
        os.kill(os.getpid(), number)
        done.append("the rest of the block")
    assert done and caught.value.args == (number,)
    assert signal.getsignal(signal.SIGINT) is raise_came and signal.getsignal(signal.SIGTERM) is raise_came


def test_an_ignored_signal_stays_ignored(handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_held_back():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_pass_through(handlers):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(signals_held_back().__enter__()))
    thread.start()
    thread.join()
    assert seen == [None] and signal.getsignal(signal.SIGTERM) is raise_came
