"""NequIP's data module, with a batch order that continues after a restart."""

from typing import Any

from nequip.data.datamodule import ASEDataModule


class ResumableASEDataModule(ASEDataModule):
    """Restore the state of the shuffling generator after set-up as well as before it.

    NequIP 0.19.1 restores the state before ``setup`` builds the generators, so a resumed training
    shuffles from the start again and is not the training that was interrupted.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore generators, whether or not they have been built yet."""
        super().load_state_dict(state_dict)
        if hasattr(self, "train_generator"):
            self.train_generator.set_state(self.train_generator_state)
            self.generator.set_state(self.generator_state)
