"""Input of `interphase analyse`: a trajectory file of any format, or a run of a campaign, with its settings."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.pipeline.settings import PARTS, InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.commands.phase_references import campaign_references
from interphase_flows.exceptions import InputError
from interphase_flows.results import CampaignResults
from interphase_flows.runners.campaign_records import stored_campaign
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import composition_of_phase


@dataclass(frozen=True)
class AnalysisInput:
    """A trajectory with the settings of its analysis."""

    frames: FrameSource
    settings: InterfaceAnalysisSettings
    title: str
    about: tuple[str, ...]
    """Provenance for the report: source, unwrapping and repairs."""
    references: PhaseReferences | None = None
    """Reference runs of the campaign's phases."""


@contextmanager
def file_input(
    path: Path,
    *,
    electrode: str | None,
    electrolyte: str | None,
    temperature_K: float | None,
    parts: Sequence[str],
    transport: TransportSettings,
    time_step_fs: float | None = None,
    frame_interval_fs: float | None = None,
    elements: Mapping[int, str] | None = None,
) -> Iterator[AnalysisInput]:
    """Open a trajectory file; raise an InputError if the formula of a side or the temperature is missing."""
    missing = [
        option
        for option, value in (
            ("--electrode", electrode),
            ("--electrolyte", electrolyte),
            ("--temperature-k", temperature_K),
        )
        if value is None
    ]
    if missing or electrode is None or electrolyte is None or temperature_K is None:
        raise InputError(
            f"missing options: {', '.join(missing)}. Hint: for a file, give --electrode Li --electrolyte Li7P3S11 "
            "--temperature-k 600; for a run of a campaign, --campaign NAME"
        )
    analysis = InterfaceAnalysisSettings(
        composition_of(electrode),
        composition_of(electrolyte),
        temperature_K,
        tuple(parts) or PARTS,
        transport,
    )
    with open_trajectory(
        path, time_step_fs=time_step_fs, frame_interval_fs=frame_interval_fs, elements=elements
    ) as frames:
        about = (
            f"{path}; unwrapped: {frames.unwrapping}",
            *(f"repaired: {repair}" for repair in frames.repairs),
        )
        yield AnalysisInput(frames, analysis, f"{electrode} | {electrolyte}: {path.name}", about)


@contextmanager
def campaign_run_input(
    run_id: str,
    campaign: str,
    settings: Settings,
    *,
    temperature_K: float | None,
    parts: Sequence[str],
    transport: TransportSettings,
) -> Iterator[AnalysisInput]:
    """Open a run of a campaign; its file defines the two sides and the temperature."""
    spec = stored_campaign(settings, campaign)
    if temperature_K is None:
        temperature_K = spec.production.dynamics.temperature_K
    analysis = InterfaceAnalysisSettings(
        composition_of_phase(spec.electrode, spec.structure_files),
        composition_of_phase(spec.electrolyte, spec.structure_files),
        temperature_K,
        tuple(parts) or PARTS,
        transport,
    )
    with CampaignResults(campaign, settings) as results, results.trajectory(run_id) as frames:
        title = f"{spec.electrode} | {spec.electrolyte}: {run_id} of {campaign}"
        about = (f"run {run_id} of campaign {campaign}",)
        references = campaign_references(results) if "phases" in analysis.parts else None
        yield AnalysisInput(frames, analysis, title, about, references)
