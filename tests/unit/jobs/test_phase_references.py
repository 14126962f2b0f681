"""Content key of the reference runs of phases."""

import loop_documents as documents
from interphase_flows.content_keys import content_key
from interphase_flows.jobs import phase_references
from interphase_flows.jobs.phase_references import PhaseReferencesMaker
from interphase_flows.structures.crystals.library import load_phase


def test_key_depends_on_the_crystals_of_electrode_and_electrolyte(workspace, tmp_path, monkeypatch):
    """They enter the mixture, whether they are among the phases or not."""
    monkeypatch.setattr(phase_references, "cached_exclusive", lambda kind, key, *_: key)
    expanded = load_phase("Li")
    expanded.set_cell(1.02 * expanded.cell.array, scale_atoms=True)
    expanded.write(tmp_path / "Li.vasp")

    def key_of(maker: PhaseReferencesMaker) -> str:
        return type(maker).make.original(maker, ["Li2S"], documents.committee(), 1)

    keys = {key_of(PhaseReferencesMaker(structure_files=files)) for files in ({}, {"Li": str(tmp_path / "Li.vasp")})}
    assert len(keys) == 2


def test_default_steps_keep_the_key_of_earlier_versions(workspace, monkeypatch):
    """Otherwise a finished campaign would repeat the runs and the analysis that needs them."""
    monkeypatch.setattr(phase_references, "content_key", lambda kind, **parts: parts["settings"])
    monkeypatch.setattr(phase_references, "cached_exclusive", lambda kind, key, *_: key)
    settings = PhaseReferencesMaker.make.original(PhaseReferencesMaker(), ["Li2S"], documents.committee())
    assert content_key("phase_references", settings=settings) == "bd8cea3da146b21168f87dc9cbc5dbd2"
