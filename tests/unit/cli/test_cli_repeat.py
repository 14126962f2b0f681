"""Commands that look again and again."""

import pytest

from interphase_flows.cli.cluster import repeat
from interphase_flows.exceptions import StorageError


def looks(*answers):
    """What a look answers, one after the other; an error is raised."""
    left = list(answers)

    def look():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look, left


def test_it_looks_until_there_is_nothing_to_look_after():
    """Or once."""
    look, left = looks(True, True, False, True)
    repeat(look, 0.0)
    assert left == [True]
    repeat(look, None)
    assert left == []


def test_a_database_that_is_away_for_a_while_is_told_and_asked_again(capsys):
    """A daemon does not end with it."""
    look, left = looks(True, StorageError("no server answers"), False)
    repeat(look, 0.0)
    assert left == []
    assert "no server answers; looking again in 0 s" in capsys.readouterr().err


def test_a_first_look_that_fails_is_a_mistake_in_the_settings():
    """Rather than a message every minute for ever."""
    look, _ = looks(StorageError("no server answers"), True)
    with pytest.raises(StorageError):
        repeat(look, 0.0)
