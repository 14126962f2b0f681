"""Trajectories whose Onsager coefficients are known exactly."""

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport.reference_frames import frame_matrix

NUMBERS = np.array([3, 15, 16])
MASSES_U = np.array([6.94, 30.973761998, 32.06])
SYMBOLS = ("Li", "P", "S")
TRICLINIC = np.array([[20.0, 0.0, 0.0], [5.0, 19.0, 0.0], [-4.0, 6.0, 22.0]])


class Brownian:
    """Atoms that diffuse by themselves and, species by species, together.

    Parameters
    ----------
    counts
        Atoms of Li, P and S.
    diffusion
        Self-diffusion of single atoms of each species, Å²/ps.
    together
        Rates that the common motion of the species adds to Lambda, positive definite, (3, 3), Å²/ps.
    vibration_angstrom
        Amplitude per axis.
    memory_ps
        Correlation time of the vibration; 0 for none.
    frequency_THz
        Frequency of the vibration, which is damped with the correlation time; 0 for overdamped vibration.
    """

    def __init__(
        self,
        counts: Sequence[int] = (36, 8, 20),
        diffusion: Sequence[float] = (0.3, 0.05, 0.1),
        together: Sequence[Sequence[float]] = ((7.0, 2.5, -1.5), (2.5, 2.0, 0.0), (-1.5, 0.0, 1.7)),
        vibration_angstrom: float = 0.0,
        memory_ps: float = 0.0,
        frequency_THz: float = 0.0,
    ) -> None:
        self.counts = np.array(counts)
        self.diffusion = np.array(diffusion)
        self.together = np.array(together)
        self.vibration_angstrom = vibration_angstrom
        self.memory_ps = memory_ps
        self.frequency_THz = frequency_THz
        self.labels = np.repeat(np.arange(len(counts)), counts)

    @property
    def laboratory_rate(self) -> np.ndarray:
        """Lambda before any frame, Å²/ps."""
        return np.diag(self.counts * self.diffusion) + self.together

    def frame(self, name: str = "barycentric", at_rest: Sequence[str] = ()) -> np.ndarray:
        """T of a frame."""
        n = len(self.counts)
        return frame_matrix(name, SYMBOLS[:n], self.counts, MASSES_U[:n], at_rest)

    def rate(self, name: str = "barycentric", at_rest: Sequence[str] = ()) -> np.ndarray:
        """Lambda in a frame, Å²/ps."""
        matrix = self.frame(name, at_rest)
        return matrix @ self.laboratory_rate @ matrix.T

    def self_rate(self) -> np.ndarray:
        """D* about the barycentre, Å²/ps: the atom's own, its part of the common motion, less the centre's."""
        masses = MASSES_U[: len(self.counts)]
        centre = masses / (masses @ self.counts)
        own = self.diffusion + np.diag(self.together) / self.counts**2
        return own - 2 * (centre @ self.laboratory_rate) / self.counts + centre @ self.laboratory_rate @ centre

    def frames(
        self, rng: np.random.Generator, n_frames: int, interval_ps: float = 1.0, cell: np.ndarray = TRICLINIC
    ) -> ArrayFrames:
        """Draw a trajectory."""
        n_atoms, n_species = self.counts.sum(), len(self.counts)
        steps = rng.normal(size=(n_frames, n_atoms, 3)) * np.sqrt(self.diffusion)[self.labels, None]
        mode = np.linalg.cholesky(self.together) if self.together.any() else self.together
        common = np.einsum("ij,tjx->tix", mode, rng.normal(size=(n_frames, n_species, 3)))
        steps += (common / self.counts[:, None])[:, self.labels]
        steps *= np.sqrt(2.0 * interval_ps)
        steps[0] = rng.random((n_atoms, 3)) @ cell
        positions = np.cumsum(steps, axis=0)
        if self.vibration_angstrom:
            positions += self.vibration_angstrom * self._shaken(rng, positions.shape, interval_ps)
        numbers = NUMBERS[self.labels]
        return ArrayFrames(numbers, 1000.0 * interval_ps * np.arange(n_frames), positions, cell)

    def _shaken(self, rng: np.random.Generator, shape: tuple[int, ...], interval_ps: float) -> np.ndarray:
        noise = rng.normal(size=shape)
        if self.memory_ps == 0.0:
            return noise
        rate = 1.0 / self.memory_ps
        if self.frequency_THz:
            # the real part of a complex process is correlated as exp(-t / memory) cos(2 pi frequency t)
            rate -= 2j * np.pi * self.frequency_THz
            noise = noise + 1j * rng.normal(size=shape)
        rho = np.exp(-interval_ps * rate)
        noise[1:] *= np.sqrt(1.0 - abs(rho) ** 2)
        return lfilter([1.0], [1.0, -rho], noise, axis=0).real
