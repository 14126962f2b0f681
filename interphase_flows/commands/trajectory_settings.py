"""The trajectory and the question of ``interphase analyse``: a file of any format, or a run of a campaign."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.pipeline.settings import PARTS, InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.phase_references import own_references
from interphase_flows.exceptions import InputError
from interphase_flows.results import CampaignResults
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace
from interphase_flows.structures.crystals.library import composition_of_phase


@dataclass(frozen=True)
class ChosenTrajectory:
    """What will be analysed."""

    frames: FrameSource
    question: InterfaceAnalysisSettings
    title: str
    about: tuple[str, ...]
    """Where it is from, how it was unwrapped, what was mended: in words."""
    references: PhaseReferences | None = None
    """Of phases at temperature, of a campaign."""


@contextmanager
def trajectory_file(
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
) -> Iterator[ChosenTrajectory]:
    """Open a file.

    Raises
    ------
    InputError
        Something that only a person can know is missing.
    AnalysisError
        As `open_trajectory`, `composition_of` and `InterfaceAnalysisSettings`.
    """
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
            f"a file does not say all that is needed: give {', '.join(missing)}, such as "
            "--electrode Li --electrolyte Li7P3S11 --temperature-k 600; or --campaign NAME for a run of a campaign"
        )
    question = InterfaceAnalysisSettings(
        composition_of(electrode),
        composition_of(electrolyte),
        temperature_K,
        tuple(parts) or PARTS,
        transport,
    )
    with open_trajectory(
        path, time_step_fs=time_step_fs, frame_interval_fs=frame_interval_fs, elements=elements
    ) as frames:
        about = (f"{path}; unwrapped: {frames.unwrapping}", *(f"mended: {words}" for words in frames.repairs))
        yield ChosenTrajectory(frames, question, f"{electrode} | {electrolyte}: {path.name}", about)


@contextmanager
def campaign_run(
    run_id: str,
    campaign: str,
    settings: Settings,
    *,
    temperature_K: float | None,
    parts: Sequence[str],
    transport: TransportSettings,
) -> Iterator[ChosenTrajectory]:
    """Open a run of a campaign, whose file says what its sides are and how hot it was.

    Raises
    ------
    InputError
        There is no such campaign, or no such run.
    """
    with open_workspace(settings, campaign, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", campaign)
    if state is None:
        raise InputError(f"there is no campaign {campaign} under {settings.root}; see interphase status")
    spec = Campaign.model_validate(state["spec"])
    if temperature_K is None:
        temperature_K = spec.production.dynamics.temperature_K
    question = InterfaceAnalysisSettings(
        composition_of_phase(spec.electrode, spec.structure_files),
        composition_of_phase(spec.electrolyte, spec.structure_files),
        temperature_K,
        tuple(parts) or PARTS,
        transport,
    )
    with CampaignResults(campaign, settings) as results, results.trajectory(run_id) as frames:
        title = f"{spec.electrode} | {spec.electrolyte}: {run_id} of {campaign}"
        about = (f"run {run_id} of campaign {campaign}",)
        references = own_references(results) if "phases" in question.parts else None
        yield ChosenTrajectory(frames, question, title, about, references)
