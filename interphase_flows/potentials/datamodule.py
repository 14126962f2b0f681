"""Data module of NequIP whose batch order continues after a restart."""

from typing import Any

from nequip.data.datamodule import ASEDataModule


class ResumableASEDataModule(ASEDataModule):
    """Restore the state of the shuffling generator after set-up as well as before it.

    NequIP 0.19.1 restores the state before ``setup`` creates the generators, so that a resumed training repeats the
    shuffling from the start.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, also of generators that exist already."""
        super().load_state_dict(state_dict)
        if hasattr(self, "train_generator"):
            self.train_generator.set_state(self.train_generator_state)
            self.generator.set_state(self.generator_state)
