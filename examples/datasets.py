"""The data behind the shipped models: scikit-learn's bundled sets, split once and for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.model_selection import train_test_split

Floats = NDArray[np.float32]
Split = tuple[Floats, Floats, NDArray[np.float64], NDArray[np.float64]]


def _split(features: NDArray[np.float64], targets: NDArray[np.float64], *, classes: bool) -> Split:
    parts = train_test_split(
        features.astype(np.float32), targets, test_size=0.25, random_state=0, stratify=targets if classes else None
    )
    return parts[0], parts[1], parts[2], parts[3]


def digits() -> Split:
    """8×8 images of digits, pixels in [0, 1]; target: the digit."""
    data = load_digits()
    return _split(data.data / 16.0, data.target, classes=True)


def diabetes() -> Split:
    """Ten standardised features; target: disease progression after a year."""
    data = load_diabetes()
    return _split(data.data, data.target, classes=False)


def iris_petals() -> Split:
    """Petal length and width in cm; target: 1 for versicolor, 0 for the other two species."""
    data = load_iris()
    return _split(data.data[:, 2:], (data.target == 1).astype(np.int64), classes=True)


def breast_cancer() -> Split:
    """Thirty measurements of cell nuclei; target: 1 for benign."""
    data = load_breast_cancer()
    return _split(data.data, data.target, classes=True)
