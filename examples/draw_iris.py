"""Draw the input-convex iris model: linear regions of its tropical limit, its decision boundary, and the flowers.

    python examples/draw_iris.py FILE.png

Needs the extra ``sklearn``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.datasets import load_iris

import tropixc

MODEL = Path(__file__).parent / "models" / "iris_icnn.onnx"
BOX = ([0.5, 0.0], [7.5, 2.8])


def main(target: Path) -> None:
    circuit = tropixc.load(MODEL)
    polynomial = tropixc.compile(circuit, box=BOX)
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = polynomial.plot(BOX, figure.subplots())
    grid = np.meshgrid(*(np.linspace(a, b, 400) for a, b in zip(*BOX, strict=True)))
    points = np.column_stack([part.ravel() for part in grid])
    for function, style in ((polynomial, "solid"), (lambda x: circuit(x)[:, 0], "dashed")):
        axes.contour(*grid, function(points).reshape(400, 400), levels=[0.0], colors="black", linestyles=style)
    flowers = load_iris()
    for kind, (name, colour) in enumerate(zip(flowers.target_names, ("#1b6ca8", "#c0392b", "#2e7d32"), strict=True)):
        chosen = flowers.data[flowers.target == kind]
        axes.scatter(chosen[:, 2], chosen[:, 3], s=14, color=colour, edgecolor="white", linewidth=0.4, label=name)
    handles, _ = axes.get_legend_handles_labels()
    handles += [
        Line2D([], [], color="black", label="f₀ = 0: tropical limit, exact"),
        Line2D([], [], color="black", linestyle="dashed", label="f = 0: trained network"),
    ]
    axes.legend(handles=handles, loc="upper left", fontsize=8)
    axes.set(xlabel="petal length (cm)", ylabel="petal width (cm)")
    axes.set_title(f"an input-convex network on iris petals and its {len(polynomial)} linear regions on this box")
    figure.savefig(target, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
