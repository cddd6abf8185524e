"""The physics of a synthetic run: pulses, a sample in the beam, a detector behind it.

Not a model to learn from, but one whose plots look as they do at a beamline:
pulse energies scatter, a scan of the sample has a maximum, a dark run is dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from knockoff.runkey import RunKey

IMAGE_SHAPE: Final = (96, 128)
"""Rows and columns of the detector; a real ePix100 has (708, 768)."""

ADU_PER_PHOTON: Final = 60.0
NOISE_ADU: Final = 5.0
TRACE_SAMPLES: Final = 10_000
ADC_FULL_SCALE: Final = 2**14 - 1

BUCKETS: Final = 2700
"""Places of a train that a bunch can have, 4.5 MHz apart."""

_FIRST_BUCKET: Final = 1000
_BETWEEN_BUNCHES: Final = 4  # buckets: 1.1 MHz, as in most experiments

_BEAM: Final = (45.0, 60.0)  # row, column where the direct beam would hit
_RINGS: Final = ((17.0, 2.6), (28.0, 1.5), (41.0, 0.8))  # radius in pixels, photons per pixel
_SCAN_MM: Final = np.round(np.linspace(-1.0, 1.0, 11), 3)  # sample positions, run after run
_SAMPLE_WIDTH_MM: Final = 0.45


@dataclass(frozen=True)
class Conditions:
    """What the machine and the instrument are set to while one run is taken."""

    lasing: bool
    pulse_energy: float
    """Mean over the pulses, in µJ."""

    photon_energy: float
    """In keV."""

    sample_x: float
    """Where the sample stands across the beam, in mm; the beam hits it best at 0."""

    crystal_angle: float
    """Azimuth of the Bragg spots, in rad."""

    @classmethod
    def of(cls, key: RunKey, rng: np.random.Generator) -> Conditions:
        """Run by run a scan of the sample through the beam; every tenth run is dark."""
        return cls(
            lasing=key.run % 10 != 0,
            pulse_energy=float(1000 * rng.lognormal(0, 0.12)),
            photon_energy=9.0,
            sample_x=float(_SCAN_MM[(key.run - 1) % len(_SCAN_MM)]),
            crystal_angle=float(rng.uniform(0, 2 * np.pi)),
        )

    @property
    def wavelength(self) -> float:
        """In nm: h c / E."""
        return 1.23984198 / self.photon_energy

    @property
    def scattering(self) -> float:
        """How much of the beam the sample scatters, 1 where it is hit best."""
        return float(np.exp(-0.5 * (self.sample_x / _SAMPLE_WIDTH_MM) ** 2))


def pulse_energies(
    conditions: Conditions, trains: int, pulses: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Energy of every pulse in µJ, shape ``(trains, pulses)``.

    Self-amplified emission is a sum of M independent modes, so the energy of a
    pulse follows a gamma distribution with a relative width of 1/√M (Saldin et
    al., "The Physics of Free Electron Lasers", 2000). On it come a drift from
    train to train and a slope along the train. Without lasing, what is left is
    spontaneous radiation and noise.
    """
    modes = 60.0
    if not conditions.lasing:
        return rng.normal(2.0, 0.8, (trains, pulses)).astype(np.float32)
    walk = np.cumsum(rng.normal(0, 0.05 / np.sqrt(trains), trains))
    drift = 1 + walk + rng.normal(0, 0.02, trains)
    slope = np.linspace(1.06, 0.94, pulses)
    shots = rng.gamma(modes, 1 / modes, (trains, pulses))
    energies = conditions.pulse_energy * drift[:, None] * slope * shots
    return energies.astype(np.float32)


def traces(
    energies: NDArray[np.float32], rng: np.random.Generator, samples: int = TRACE_SAMPLES
) -> NDArray[np.uint16]:
    """What a 14-bit digitizer sees of a photodiode, shape ``(trains, samples)``, in ADU.

    One peak per pulse, its height in proportion to the energy, with the
    diode's decay. Pulses come 96 samples apart (1.1 MHz at 108 MHz sampling),
    or closer where they would not fit.
    """
    pulses = energies.shape[1]
    first, decay = samples // 20, np.exp(-np.arange(48) / 9.0)
    spacing = max(1, min(96, (samples - first - len(decay)) // max(1, pulses)))
    digitised = np.empty((len(energies), samples), np.uint16)
    for block in _blocks(len(energies)):
        signal = rng.normal(600, 8, (len(energies[block]), samples + len(decay)))
        for pulse, start in enumerate(range(first, samples, spacing)[:pulses]):
            signal[:, start : start + len(decay)] += 4 * energies[block, pulse, None] * decay
        digitised[block] = _digitised(signal[:, :samples])
    return digitised


def images(
    conditions: Conditions,
    energies: NDArray[np.float32],
    proposal: int,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Raw detector images in ADU, shape ``(trains, *IMAGE_SHAPE)``; bad pixels are saturated.

    Powder rings and four Bragg spots of the sample, air scatter around a beam
    stop; photons are Poisson distributed around what the train's mean energy
    gives, and are read out with a pedestal, a gain and electronic noise.
    """
    brightness = energies.mean(axis=1, dtype=np.float64).clip(0, None) / 1000
    pattern, dark, bad = _pattern(conditions), pedestal(proposal), bad_pixels(proposal)
    raw = np.empty((len(energies), *IMAGE_SHAPE), np.uint16)
    for block in _blocks(len(energies)):
        photons = rng.poisson(brightness[block, None, None] * pattern)
        noise = rng.standard_normal(photons.shape, dtype=np.float32) * NOISE_ADU
        raw[block] = _digitised(dark + ADU_PER_PHOTON * photons + noise)
    raw[:, bad] = ADC_FULL_SCALE
    return raw


def pedestal(proposal: int) -> NDArray[np.float64]:
    """What each pixel reads without a photon, in ADU; the same for all runs of a proposal."""
    rng = np.random.default_rng([proposal, 1])
    columns = rng.normal(0, 40, IMAGE_SHAPE[1])  # one amplifier per column
    return 2000 + columns + rng.normal(0, 15, IMAGE_SHAPE)


def bad_pixels(proposal: int) -> NDArray[np.bool_]:
    """True for the few pixels of the detector that read nonsense; fixed for a proposal."""
    return np.random.default_rng([proposal, 2]).random(IMAGE_SHAPE) < 0.002


def corrected(raw: NDArray[np.uint16], proposal: int) -> NDArray[np.float32]:
    """Raw images without pedestal and in photons per pixel; bad pixels are 0."""
    image = ((raw - pedestal(proposal)) / ADU_PER_PHOTON).astype(np.float32)
    image[:, bad_pixels(proposal)] = 0
    return image


def _digitised(signal: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    digitised: NDArray[np.uint16] = np.rint(np.clip(signal, 0, ADC_FULL_SCALE)).astype(np.uint16)
    return digitised


def _blocks(trains: int) -> Iterator[slice]:
    """Of 100 trains, so that a long run needs no more memory than it has data."""
    return (slice(first, first + 100) for first in range(0, trains, 100))


def _pattern(conditions: Conditions) -> NDArray[np.float64]:
    """Mean photons per pixel for a train of 1000 µJ pulses."""
    rows, columns = np.indices(IMAGE_SHAPE)
    down, right = rows - _BEAM[0], columns - _BEAM[1]
    radius = np.hypot(down, right)
    powder = sum(height * np.exp(-0.5 * ((radius - r) / 1.3) ** 2) for r, height in _RINGS)
    halo = 1.8 * np.exp(-radius / 9.0)
    spots = np.zeros(IMAGE_SHAPE)
    for turn in range(4):
        angle = conditions.crystal_angle + turn * np.pi / 2
        row, column = 28 * np.sin(angle), 28 * np.cos(angle)
        spots += 14 * np.exp(-0.5 * ((down - row) ** 2 + (right - column) ** 2) / 1.4**2)
    pattern = conditions.scattering * (powder + halo + spots) + 0.03
    pattern[radius < 5] = 0.01  # the beam stop
    return np.asarray(pattern, np.float64)


def bunch_pattern(sase: int, pulses: int) -> NDArray[np.uint32]:
    """Which bunches the accelerator sends where in a train, as the time server writes it.

    Parameters
    ----------
    sase:
        The undulator that gets `pulses` bunches; some more go to another one.

    Returns
    -------
    :
        Shape ``(2700,)``, 32 bits per bucket: charge, injector laser, destination and kicker,
        as in the European XFEL's timing specification 2.2 (decoded by euxfel-bunch-pattern).
    """
    spacing = max(1, min(_BETWEEN_BUNCHES, (BUCKETS - _FIRST_BUCKET) // pulses))
    table = np.zeros(BUCKETS, np.uint32)
    first = min(_FIRST_BUCKET, BUCKETS - pulses * spacing)
    table[first : first + pulses * spacing : spacing] = _bunch(sase)
    neighbour = 2 if sase != 2 else 1
    table[: first // 2 : 8 * spacing] = _bunch(neighbour)
    return table


def _bunch(sase: int) -> np.uint32:
    """The bits of a bunch of 250 pC that lases in this undulator."""
    charge, injector_laser = 8, 1 << 4
    dump = (2 if sase == 2 else 4) << 18  # T5D is behind SASE 2, T4D behind SASE 1 and 3
    soft_kick = (1 << 27) if sase == 3 else 0
    return np.uint32(charge | injector_laser | dump | soft_kick)
