"""Models of an architecture with random parameters, and the tensors in which models of an architecture differ."""

from collections.abc import Sequence

import torch
from nequip.model import NequIPGNNModel
from nequip.nn.graph_model import GraphModel

from interphase_flows.potentials.compiled.graph_keys import statistics
from interphase_flows.potentials.config import model_config
from interphase_flows.potentials.quiet import quiet_training
from interphase_flows.potentials.spec import NequIPSpec

STATISTICS = (".norm_const", ".scales", ".shifts")
"""Ends of the names of the buffers that contain statistics of a dataset."""


def new_model(spec: NequIPSpec, elements: Sequence[str], seed: int) -> GraphModel:
    """Return a model with random parameters and statistics that depend on the seed; types are in sorted order."""
    arguments = model_config(spec, statistics(elements, seed), seed)
    del arguments["_target_"]
    with quiet_training(torch.get_num_threads()):
        return NequIPGNNModel(**arguments).eval()


def loaded_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and statistics of a model by name: everything in which models of an architecture differ."""
    found = {name: value for name, value in model.named_buffers() if name.endswith(STATISTICS)}
    return {**dict(model.named_parameters()), **found}
