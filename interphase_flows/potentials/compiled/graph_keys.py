"""Keys of compiled graphs: the architecture of a potential and the type of a machine, without importing torch.

A graph contains the operations of a model and the machine code for them. Parameters and the statistics of the dataset
(energy shifts, force scales, number of neighbours) are loaded into it, so they do not identify it. The number of
threads does, because AOTInductor writes it into the code.
"""

import functools
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from interphase_flows.content_keys import content_key
from interphase_flows.potentials.config import model_config
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.schemas.dataset import Baseline

GRAPH_VERSION = 1
"""Version of the method by which graphs are made; a change invalidates stored graphs."""
PACKAGES = ("nequip", "torch")
"""Packages whose version a graph depends on."""


def statistics(elements: Sequence[str], seed: int) -> Baseline:
    """Return statistics of a dataset that depend on the seed; elements are in sorted order."""
    elements = sorted(elements)
    return Baseline(
        elements=elements,
        energy_shifts_eV={element: -1.0 - 0.1 * seed - index for index, element in enumerate(elements)},
        forces_rms_eV_per_angstrom={element: 0.5 + 0.1 * seed + 0.1 * i for i, element in enumerate(elements)},
        mean_n_neighbours=20.0 + seed,
    )


def architecture_key(spec: NequIPSpec, elements: Sequence[str]) -> str:
    """Return the key of an architecture: the configuration of its model, with the same weights and statistics for all."""
    return content_key("architectures", model=model_config(spec, statistics(elements, seed=0), 0))


def graph_key(architecture: str, device: str, n_threads: int) -> str:
    """Return the key of the compiled graph of an architecture on this machine."""
    return content_key(
        "compiled_potentials",
        architecture=architecture,
        device=device,
        machine=machine_type(device),
        n_threads=n_threads,
        versions=package_versions(),
        graph_version=GRAPH_VERSION,
    )


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a graph depends on."""
    return {name: version(name) for name in PACKAGES}


@functools.cache
def machine_type(device: str = "cpu") -> str:
    """Return the type of a machine: graphs run on machines of one type only.

    Code is compiled for all instructions of the processor, so the type contains the hash of its flags.
    """
    processor = f"{platform.machine()} {content_key('cpu', flags=_flags())[:8]}"
    if device != "cuda":
        return processor
    import torch

    # a login node may have none
    return f"{processor} {torch.cuda.get_device_name() if torch.cuda.is_available() else 'without a GPU'}"


def _flags() -> list[str]:
    """Return the instruction sets of the first processor, sorted."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return [platform.processor()]
    # "Features" on ARM
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return sorted(found.partition(":")[2].split())
