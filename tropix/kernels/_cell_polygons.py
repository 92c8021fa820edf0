"""Polygons clipped by halfplanes, by the thousand: cells of the plane for pictures."""

from __future__ import annotations

import numpy as np
from numba import njit

from tropix.arrays import FloatArray, IntArray


def clip_polygons(corners: FloatArray, offsets: IntArray, rows: FloatArray) -> tuple[IntArray, FloatArray, IntArray]:
    """A convex polygon (4, 2) clipped by the halfplanes a·x + b ≤ 0 of each of P groups of rows (F, 3).

    Returns offsets (P+1,) of the polygons' vertices (V, 2), in the order of the corners, and for each vertex the row on
    which the edge to the next one lies, or −1 − k for edge k of the polygon. Empty polygons have no vertices.
    """
    count = len(offsets) - 1
    room = len(corners) * count + int(offsets[-1])
    found, vertices = np.zeros(count + 1, dtype=np.int64), np.empty((room, 2))
    labels = np.empty(room, dtype=np.int64)
    widest = len(corners) + int(np.diff(offsets).max(initial=0)) + 1
    used = _clip_polygons(corners, offsets, rows, widest, found, vertices, labels)
    return found, vertices[:used].copy(), labels[:used].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _clip_polygons(corners, offsets, rows, widest, found, vertices, labels):  # type: ignore[no-untyped-def]
    now, then = np.empty((widest, 2)), np.empty((widest, 2))
    sides, kept = np.empty(widest, dtype=np.int64), np.empty(widest, dtype=np.int64)
    used = 0
    for q in range(len(offsets) - 1):
        size = len(corners)
        for i in range(size):
            now[i, 0], now[i, 1], sides[i] = corners[i, 0], corners[i, 1], -1 - i
        for j in range(offsets[q], offsets[q + 1]):
            a, b, c = rows[j, 0], rows[j, 1], rows[j, 2]
            count = 0
            for i in range(size):
                k = i + 1 if i + 1 < size else 0
                here = a * now[i, 0] + b * now[i, 1] + c
                next_ = a * now[k, 0] + b * now[k, 1] + c
                if here <= 0.0:
                    then[count] = now[i]
                    kept[count] = j if here == 0.0 and next_ > 0.0 else sides[i]
                    count += 1
                if (here < 0.0 and next_ > 0.0) or (here > 0.0 and next_ < 0.0):
                    share = here / (here - next_)
                    then[count, 0] = now[i, 0] + share * (now[k, 0] - now[i, 0])
                    then[count, 1] = now[i, 1] + share * (now[k, 1] - now[i, 1])
                    kept[count] = j if here < 0.0 else sides[i]
                    count += 1
            now, then = then, now
            sides, kept = kept, sides
            size = count
            if size == 0:
                break
        if size >= 3:
            vertices[used : used + size] = now[:size]
            labels[used : used + size] = sides[:size]
            used += size
        found[q + 1] = used
    return used
