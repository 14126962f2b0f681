"""Names of the labels in the frames of one file: they must be the same in all frames that have them."""

from collections.abc import Iterable
from pathlib import Path

from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.exceptions import InputError

NEEDED = ("energy", "forces")
STRUCTURE_NAMES = ("numbers", "positions")


class FrameNames:
    """Names under which the frames of a file have their labels."""

    def __init__(self, path: Path, keys: LabelConventions):
        self._path, self._keys = path, keys
        self._first: dict[str, tuple[str, str]] = {}
        self._known: dict[str, None] = {}

    def add_known(self, names: Iterable[object]) -> None:
        """Record all entries of a frame, for messages."""
        self._known |= dict.fromkeys(str(name)[:40] for name in names if name not in STRUCTURE_NAMES)

    def add(self, label: str, name: str | None, where: str) -> None:
        """Record the name of a label in a frame, None if the frame has no such label.

        Raises
        ------
        InputError
            An earlier frame has the label under another name: one of them may be of another method, or another energy.
        """
        if name is None:
            return
        first_name, first_where = self._first.setdefault(label, (name, where))
        if name != first_name:
            raise InputError(
                f"{where}: its {label} is {name!r}, but {first_name!r} in {first_where}. Hint: --{label}-key NAME "
                f"(keys.{label} in a campaign file) chooses one, and frames without it are rejected; if both mean the "
                "same, rename one in the file"
            )

    def check_complete(self) -> None:
        """Raise if no frame has energy, forces or a stated name.

        Raises
        ------
        InputError
            As above.
        """
        known = ", ".join(self._known) or "no entries"
        for label, stated in self._keys.stated_names.items():
            if stated is not None and label not in self._first:
                raise InputError(
                    f"{self._path}: no frame has {stated!r}. The frames have {known}. Hint: --{label}-key NAME "
                    f"(keys.{label} in a campaign file)"
                )
        for label in NEEDED:
            if label not in self._first:
                raise InputError(
                    f"{self._path}: no frame has the {label} under a usual name. The frames have {known}. Hint: "
                    f"--{label}-key NAME (keys.{label} in a campaign file)"
                )
