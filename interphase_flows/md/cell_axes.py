"""Axes along which a barostat changes the cell."""

from typing import Literal

Axes = Literal["normal", "orthogonal", "isotropic"]
