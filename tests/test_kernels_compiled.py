"""What numba compiles: when, for which CPU, and that the next process finds it again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import sys
import numpy as np
from tropix import kernels
from tropix.kernels import _log_sum_exp, _max_affine, _max_plus_product, _simd
assert not any(f.signatures for f in (_log_sum_exp._rows, _max_affine._rows, _max_plus_product.accumulate))
rng = np.random.default_rng(0)
a, b = rng.integers(-5, 5, size=(29, 300)).astype(float), rng.integers(-5, 5, size=(300, 37)).astype(float)
a[rng.random(a.shape) < 0.5] = -np.inf
values, indices = kernels.max_plus_product_argmax_numpy(a, b)
np.testing.assert_array_equal(kernels.max_plus_product(a, b), values)
for found, expected in zip(kernels.max_plus_product_argmax(a, b), (values, indices)):
    np.testing.assert_array_equal(found, expected)
points, weights, bias = rng.normal(size=(61, 5)), rng.normal(size=(55, 5)), rng.normal(size=55)
maxima = (points @ weights.T + bias).max(axis=1)
np.testing.assert_allclose(kernels.max_affine(points, weights, bias)[0], maxima, rtol=1e-14)
expected = kernels.log_sum_exp_numpy(points, weights, bias, 0.1)
for found, twin in zip(kernels.log_sum_exp(points, weights, bias, 0.1, gradient=True), expected):
    np.testing.assert_allclose(found, twin, rtol=1e-11, atol=1e-13)
stats = [f.stats for f in (_log_sum_exp._rows, _max_affine._rows, _max_plus_product.accumulate)]
print(_simd.BYTES, sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats))
"""


def run(cache: Path, **settings: str) -> list[int]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **settings}
    done = subprocess.run([sys.executable, "-c", WORK], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_nothing_compiles_at_import_and_the_second_process_compiles_nothing(tmp_path: Path) -> None:
    _, hits, misses = run(tmp_path)
    assert (hits, misses) == (0, 3)
    _, hits, misses = run(tmp_path)
    assert (hits, misses) == (3, 0)


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="these are features of x86")
@pytest.mark.parametrize(("features", "width"), [("+avx2,+avx,+fma,+sse4.2", 32), ("+sse2", 16)])
@pytest.mark.slow
def test_tiles_of_smaller_cpus(tmp_path: Path, features: str, width: int) -> None:
    assert run(tmp_path, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=features)[0] == width
