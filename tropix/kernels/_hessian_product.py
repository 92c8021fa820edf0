"""Hessians of log-sum-exp functions times vectors, without the Hessians."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray
from tropix.kernels._log_sum_exp import gibbs


def log_sum_exp_hessian_product(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float, vectors: FloatArray
) -> FloatArray:
    """∇²f_ε(x) v = Cov_π(W) v / ε at each row x of ``points`` with the vector v in the same row of ``vectors``.

    points, vectors (n, d), weights (N, d), bias (N,) with −∞ allowed, eps > 0 → (n, d); 0 without a finite bias.
    """
    return log_sum_exp_hessian_product_numpy(points, weights, bias, eps, vectors)


def log_sum_exp_hessian_product_numpy(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float, vectors: FloatArray
) -> FloatArray:
    """The specification of :func:`log_sum_exp_hessian_product`: forms n×N matrices."""
    probabilities = gibbs(points, weights, bias, eps)
    slopes = vectors @ weights.T
    centred = slopes - (probabilities * slopes).sum(axis=1, keepdims=True)
    return np.asarray((probabilities * centred) @ weights / eps)
