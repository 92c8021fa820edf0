"""Conjugates of log-sum-exp functions by Newton's method in d dimensions, whatever the number of pieces is.

f_ε*(y) = −min_x h(x) with h(x) = ε log Σ_j exp((a_j·x + b_j)/ε), a_j = w_j − y. The minimum is followed from a high
temperature, where h is nearly quadratic, down to ε: x(ε) has the derivative C⁻¹ Cov_π(a, z)/ε with C = Cov_π(a) and
z_j = a_j·x + b_j, so that a step in ε costs nothing beyond the factor of C that Newton's step needs. Steps at a fixed
temperature are safeguarded by a line search on h, which is convex. Nothing here is proved: see `conjugate_bounds`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray
from tropix.kernels._exponential import _exp_nonpositive
from tropix.kernels._threads import over_rows

CHUNK = 128
LOWEST = -45.0
"""Weights below e^LOWEST of the largest are left out of steps."""
LEAST = float(np.exp(LOWEST))
DENSE = 0.5
"""Where more than this share of the pieces counts, the others are not left out: they cost less than the choice."""
LIMIT = 250
"""Steps at most; a point of the relative interior takes 5 to 40."""
CENTRED = 0.25
"""Newton decrement (squared) below which the temperature falls."""
TOO_FAR = 4.0
"""Newton decrement (squared) above which a fall of the temperature is taken back."""
SETTLED = 1e-9
"""Newton decrement (squared) before the last step."""
REACH = 64.0
"""Largest change of a logit against another one, in units of ε, that a step is tried with."""
SMALL_STEP = 1e-3
"""Largest change of a logit, in units of ε, in the last step."""
FOUND, LOST, OUTSIDE = 0, 1, 2


def conjugate_newton(
    points: FloatArray, weights: FloatArray, bias: FloatArray, eps: float, heat: float, *, careful: bool = False
) -> tuple[FloatArray, IntArray]:
    """The minimiser x of h for each row y of ``points``, (n, d), and a state (n,).

    points (n, d), weights (N, d) and bias (N,) finite, N ≥ 1, eps > 0; ``heat`` ≥ eps is the temperature of the start.
    ``careful``: a fall of the temperature is taken back whenever steps after it go astray, not only at the next one;
    where one way fails the other mostly works.
    State 0: converged. 1: not, as where y is on the relative boundary of conv{w_j} or the w_j lie in a flat. 2: x
    separates y from conv{w_j}: −h(x) exceeds −min b, which bounds f_ε* on its domain.
    """
    sites = np.ascontiguousarray(weights.T)
    result, state = np.zeros(points.shape), np.full(len(points), LOST, dtype=np.int64)

    def run(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _follow(sites, bias, points[rows], float(eps), float(heat), careful, result[rows], state[rows])

    over_rows(run, len(points), points.size * weights.size * 10)
    return result, state


def conjugate_newton_numpy(point: FloatArray, weights: FloatArray, bias: FloatArray, eps: float) -> FloatArray:
    """The minimiser for one y by Newton's method with halved steps: the specification of `conjugate_newton`."""
    shifted, x = weights - point, np.zeros(len(point))

    def value(at: FloatArray) -> tuple[float, FloatArray]:
        logits = (shifted @ at + bias) / eps
        terms = np.exp(logits - logits.max())
        return float(eps * (logits.max() + np.log(terms.sum()))), terms / terms.sum()

    for _ in range(1000):
        here, gibbs = value(x)
        gradient = gibbs @ shifted
        centred = shifted - gradient
        hessian = (centred * gibbs[:, None]).T @ centred / eps
        step = -np.linalg.lstsq(hessian, gradient, rcond=1e-15)[0]
        slope = float(gradient @ step)
        if slope > -1e-15 * eps:
            return x + step
        length = 1.0
        while value(x + length * step)[0] > here + 1e-4 * length * slope and length > 1e-10:
            length /= 2
        x = x + length * step
    return x


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_slopes(sites, y, x, z):  # type: ignore[no-untyped-def]
    """z_j += (w_j − y)·x."""
    dimension, count = sites.shape
    for start in range(0, count, 512):
        stop = min(count, start + 512)
        for i in range(dimension):
            slope, shift = x[i], y[i]
            if slope != 0.0:
                for j in range(start, stop):
                    z[j] += (sites[i, j] - shift) * slope


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _weigh(z, dz, length, level, lowest, dense, index, terms):  # type: ignore[no-untyped-def]
    """Unnormalised weights of the logits z + length·dz that count: their number, the largest logit, the sum."""
    top = -np.inf
    for j in range(len(z)):
        top = max(top, z[j] + length * dz[j])
    inverse = 1.0 / level
    count = 0
    for j in range(len(z)):
        index[count] = j
        exponent = ((z[j] + length * dz[j]) - top) * inverse
        terms[count] = min(exponent, 0.0)
        count += exponent > lowest
    if count > dense * len(z):  # nearly all: it is cheaper to take all in their order
        count = len(z)
        for j in range(count):
            index[j] = j
            terms[j] = min(((z[j] + length * dz[j]) - top) * inverse, 0.0)
    _exp_nonpositive(terms, count)
    total = 0.0
    for c in range(count):
        total += terms[c]
    return count, top, total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _add_products(left, right, size, result):  # type: ignore[no-untyped-def]
    """The lower triangle of ``result`` += left·rightᵀ over the first ``size`` columns."""
    dimension = len(left)
    for i in range(dimension):
        k = 0
        while k + 4 <= i + 1:
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            for c in range(size):
                value = left[i, c]
                s0 += value * right[k, c]
                s1 += value * right[k + 1, c]
                s2 += value * right[k + 2, c]
                s3 += value * right[k + 3, c]
            result[i, k] += s0
            result[i, k + 1] += s1
            result[i, k + 2] += s2
            result[i, k + 3] += s3
            k += 4
        while k <= i:
            s0 = 0.0
            for c in range(size):
                s0 += left[i, c] * right[k, c]
            result[i, k] += s0
            k += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _weighted_sums(values, terms, exponents, start, size, weighted):  # type: ignore[no-untyped-def]
    first, second = 0.0, 0.0
    for c in range(size):
        product = values[c] * terms[start + c]
        weighted[c] = product
        first += product
        second += product * exponents[start + c]
    return first, second


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _moments(sites, y, index, terms, count, total, exponents, mean, mixed, covariance, left, right):  # type: ignore[no-untyped-def]
    """Mean and covariance of a_j = w_j − y under the weights, and their covariance with the exponents."""
    dimension = len(mean)
    for i in range(dimension):
        mean[i] = 0.0
        mixed[i] = 0.0
        for k in range(dimension):
            covariance[i, k] = 0.0
    level = 0.0
    for c in range(count):
        level += terms[c] * exponents[c]
    level /= total
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        for i in range(dimension):
            row, shift = sites[i], y[i]
            if count == len(row):
                for c in range(size):
                    right[i, c] = row[start + c] - shift
            else:
                for c in range(size):
                    right[i, c] = row[index[start + c]] - shift
            first, second = _weighted_sums(right[i], terms, exponents, start, size, left[i])
            mean[i] += first
            mixed[i] += second
        _add_products(left, right, size, covariance)
    for i in range(dimension):
        mean[i] /= total
    for i in range(dimension):
        mixed[i] = mixed[i] / total - mean[i] * level
        for k in range(i + 1):
            covariance[i, k] = covariance[i, k] / total - mean[i] * mean[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _cholesky(matrix, factor, ridge):  # type: ignore[no-untyped-def]
    """Lower factor of the matrix + ridge·its diagonal; False where a pivot is lost in rounding."""
    dimension = len(matrix)
    for i in range(dimension):
        for k in range(i + 1):
            value = matrix[i, k] * (1.0 + ridge) if i == k else matrix[i, k]
            for m in range(k):
                value -= factor[i, m] * factor[k, m]
            if i == k:
                if not value > 2.0**-52 * (dimension + 4) * matrix[i, i]:
                    return False
                factor[i, i] = np.sqrt(value)
            else:
                factor[i, k] = value / factor[k, k]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_cholesky(factor, right, result):  # type: ignore[no-untyped-def]
    dimension = len(right)
    for i in range(dimension):
        value = right[i]
        for k in range(i):
            value -= factor[i, k] * result[k]
        result[i] = value / factor[i, i]
    for i in range(dimension - 1, -1, -1):
        value = result[i]
        for k in range(i + 1, dimension):
            value -= factor[k, i] * result[k]
        result[i] = value / factor[i, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _exponents(z, dz, length, top, level, index, count, exponents):  # type: ignore[no-untyped-def]
    for c in range(count):
        exponents[c] = ((z[index[c]] + length * dz[index[c]]) - top) / level


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(sites, bias, points, eps, heat, careful, result, state):  # type: ignore[no-untyped-def]
    dimension, count = sites.shape
    z, dz, before = np.empty(count), np.empty(count), np.empty(count)
    index, terms, exponents = np.empty(count + 1, dtype=np.uint32), np.empty(count + 1), np.empty(count + 1)
    left, right = np.empty((dimension, CHUNK)), np.empty((dimension, CHUNK))
    mean, mixed = np.empty(dimension), np.empty(dimension)
    step, bend, move, place = np.empty(dimension), np.empty(dimension), np.empty(dimension), np.empty(dimension)
    covariance, factor = np.empty((dimension, dimension)), np.empty((dimension, dimension))
    lowest_bias = bias.min()
    scale = max(abs(lowest_bias), abs(bias.max()))
    for q in range(len(points)):
        y, x = points[q], result[q]
        level, shrink, moved, rejected, saved, failures, start = heat, 0.3, False, False, False, 0, heat
        for j in range(count):
            z[j] = bias[j]
            dz[j] = 0.0
        _add_slopes(sites, y, x, z)
        alive, top, total = _weigh(z, dz, 0.0, level, LOWEST, DENSE, index, terms)
        value = top + level * np.log(total)
        for _ in range(LIMIT):
            _exponents(z, dz, 0.0, top, level, index, alive, exponents)
            _moments(sites, y, index, terms, alive, total, exponents, mean, mixed, covariance, left, right)
            ridge = 0.0
            while not _cholesky(covariance, factor, ridge):
                for i in range(dimension):
                    if not covariance[i, i] > 0.0:
                        covariance[i, i] = 1e-300
                ridge = max(1e-14, 100 * ridge)
                if ridge > 1e6:
                    break
            lost = ridge > 1e6
            decrement = 0.0
            if not lost:
                _solve_cholesky(factor, mean, step)
                for i in range(dimension):
                    decrement += mean[i] * step[i]
                lost = not decrement >= 0.0
            if saved and (moved or careful) and (lost or decrement > TOO_FAR or ridge > 0.0):
                shrink = np.sqrt(shrink)
                if shrink > 0.98:
                    break
                for i in range(dimension):
                    x[i] = place[i]
                for j in range(count):
                    z[j] = before[j]
                level = start
                alive, top, total = _weigh(z, dz, 0.0, level, LOWEST, DENSE, index, terms)
                value = top + level * np.log(total)
                rejected, moved, saved = True, False, False
                continue
            if moved:
                moved = False
                if decrement < 0.1:
                    shrink = max(shrink * shrink, 1e-6)
                elif decrement > 1.0:
                    shrink = np.sqrt(shrink)
            if ridge > 0.0:
                failures += 1
            if lost or failures > 25:
                break
            lower = level
            for i in range(dimension):
                move[i] = -level * step[i]
            if level > eps and decrement <= (1e-6 if rejected else CENTRED):
                rejected = False
                start, saved = level, True
                for i in range(dimension):
                    place[i] = x[i]
                for j in range(count):
                    before[j] = z[j]
                lower = max(eps, level * shrink)
                _solve_cholesky(factor, mixed, bend)
                for i in range(dimension):
                    move[i] = move[i] * (lower / level) + (lower - level) * bend[i]
                moved = True
            for j in range(count):
                dz[j] = 0.0
            _add_slopes(sites, y, move, dz)
            if level == eps and ridge == 0.0 and decrement <= SETTLED:
                # the decrement alone is small also where the pieces that must balance have hardly any weight
                largest = 0.0
                for c in range(alive):
                    if terms[c] > LEAST:
                        largest = max(largest, abs(dz[index[c]]))
                if largest <= SMALL_STEP * level:
                    for i in range(dimension):
                        x[i] += move[i]
                    state[q] = FOUND
                    break
            length = 1.0
            if not moved:
                # where hardly any weight is on more than one piece the quadratic model reaches much too far
                highest, least = -np.inf, np.inf
                for c in range(alive):
                    if terms[c] > LEAST:
                        highest, least = max(highest, dz[index[c]]), min(least, dz[index[c]])
                if highest - least > REACH * level:
                    length = REACH * level / (highest - least)
            first = length
            alive, top, total = _weigh(z, dz, length, lower, LOWEST, DENSE, index, terms)
            new = top + lower * np.log(total)
            if not moved:
                slope = -level * decrement
                noise = 1e-14 * (abs(value) + scale)
                while new > value + 1e-4 * length * slope + noise and length > 1e-9 * first:
                    length *= 0.4
                    alive, top, total = _weigh(z, dz, length, level, LOWEST, DENSE, index, terms)
                    new = top + level * np.log(total)
                if length <= 1e-9 * first:
                    break
                if length == first and decrement > 0.1:
                    # far from the minimum the step may be much too short: weights change exponentially
                    for _ in range(8):
                        tilt = 0.0
                        for c in range(alive):
                            tilt += terms[c] * dz[index[c]]
                        if tilt > 0.4 * slope * total:
                            break
                        length *= 2.0
                        alive, top, total = _weigh(z, dz, length, level, LOWEST, DENSE, index, terms)
                        longer = top + level * np.log(total)
                        if not longer < new:
                            length *= 0.5
                            alive, top, total = _weigh(z, dz, length, level, LOWEST, DENSE, index, terms)
                            break
                        new = longer
            for i in range(dimension):
                x[i] += length * move[i]
            for j in range(count):
                z[j] += length * dz[j]
                dz[j] = 0.0
            level = lower
            value = top + level * np.log(total)
            if not abs(value) < 1e300:
                break
            if value < lowest_bias - 1e-9 * scale and level == eps:
                state[q] = OUTSIDE
                break
