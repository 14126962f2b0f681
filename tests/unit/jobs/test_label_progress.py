"""What is seen of a label that takes minutes."""

from functools import partial

from interphase_flows.jobs.labels import _tell_scf_steps
from interphase_flows.runtime.progress import SCF, emit, listening


def test_scf_steps_are_told_as_progress_of_the_labels():
    """Which label of how many, and how far it is."""
    told = []
    with (
        listening(lambda *said: told.append(said)),
        listening(partial(_tell_scf_steps, 3, 20)),
    ):
        emit(SCF, 12, 150, "Li24P6S22, 65 s")
    assert [said for said in told if said[0] != SCF] == [
        ("labels", 3, 20, "Li24P6S22, 65 s, SCF step 12 of at most 150")
    ]


def test_other_stages_are_not_repeated():
    """Among them the labels' own."""
    told = []
    with (
        listening(lambda *said: told.append(said)),
        listening(partial(_tell_scf_steps, 3, 20)),
    ):
        emit("labels", 3, 20)
    assert told == [("labels", 3, 20, "")]
