"""What an error tells a user, by what it holds and not by its wording."""

import re
from contextlib import contextmanager

import pytest

from voxcli.errors import VoxcliError


@contextmanager
def refused(error, *names, expected=None, actual=None, hint=None):
    """The block raises this kind of VoxcliError, which says what it is about.

    Args:
        names: each is in the message: a file, an option, a key, a class, a number, or the one word that tells this error from others.
        expected, actual: the error's members of that name. Text need only be a part of them.
        hint: a part of what the error says to do.

    Yields what pytest.raises yields.
    """
    assert issubclass(error, VoxcliError) and (names or expected is not None or actual is not None or hint is not None)
    with pytest.raises(error) as caught:
        yield caught
    found = caught.value
    message = re.sub(r"/\S*/pytest-\d+/[^/\s']*", "", found.message)  # the folder of a test may hold any word
    missing = [name for name in names if str(name) not in message]
    assert not missing, f"the message does not name {missing}: {found}"
    for wanted, said in ((expected, found.expected), (actual, found.actual)):
        right = wanted is None or (said is not None and wanted in str(said) if isinstance(wanted, str) else wanted == said)
        assert right, f"{wanted} is not what is said: {found}"
    assert hint is None or hint in (found.hint or ""), f"the hint does not say '{hint}': {found}"
