"""What tests of errors rest on fails where another error comes."""

import pytest
from refusals import refused

from voxcli.errors import DataError, UsageError


def broken(error=DataError, message="a.obj: 3 faces are open.", **members):
    raise error(message, **{"expected": "at most 2", "actual": 3, "hint": "Close them."} | members)


def test_what_is_asked_for_is_found(tmp_path):
    with refused(DataError, "a.obj", "3", expected="2", actual=3, hint="Close") as caught:
        broken()
    assert caught.value.actual == 3


@pytest.mark.parametrize(
    "members",
    [{"message": "b.obj is open."}, {"expected": "at most 1"}, {"expected": None}, {"actual": 4}, {"actual": "3"}, {"hint": None}],
)
def test_another_message_or_member_fails(members):
    with pytest.raises(AssertionError), refused(DataError, "a.obj", expected="2", actual=3, hint="Close"):
        broken(**members)


def test_another_type_none_and_a_word_of_the_folder_alone_fail(tmp_path):
    with pytest.raises(UsageError), refused(DataError, "a.obj"):
        broken(UsageError)
    with pytest.raises(pytest.fail.Exception), refused(DataError, "a.obj"):
        pass
    with pytest.raises(AssertionError), refused(DataError, "folder"):
        broken(message=f"{tmp_path}/a.obj is empty.")
