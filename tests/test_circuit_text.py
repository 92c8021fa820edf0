"""Circuits as text: identical after a round trip, one clear error for everything else."""

from __future__ import annotations

import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from circuits_of_all_kinds import assorted, degenerate, everything, wide_and_sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Circuit, FormatError, Unsupported
from tropix.circuits import Affine, Gibbs, Input, LogSumExp, Node, Pointwise, Product, Term, uniform_segments
from tropixc.lowerings import _circuit_parser, _circuit_text


def description(circuit: Circuit) -> object:
    """All that a circuit is, as comparable data."""
    return circuit.names, circuit.output, [(type(node), *fields(node)) for node in circuit.nodes]


def fields(node: Node) -> tuple[object, ...]:
    match node:
        case Affine():
            return node.bias.tobytes(), [(term.source, matrix(term.matrix)) for term in node.terms]
        case LogSumExp() | Gibbs():
            return node.source, node.eps, node.segments.tolist()
        case Pointwise():
            return node.source, node.function, node.size
        case _:
            return node.sources, node.size


def matrix(array: np.ndarray | sp.csr_array) -> tuple[object, ...]:
    if isinstance(array, np.ndarray):
        return "dense", array.shape, array.tobytes()
    return "sparse", array.shape, array.data.tobytes(), array.indices.tolist(), array.indptr.tolist()


def survives(circuit: Circuit) -> None:
    text = tropixc.circuit_to_text(circuit)
    again = tropixc.circuit_from_text(text)
    assert description(again) == description(circuit)
    assert tropixc.circuit_to_text(again) == text
    text.encode()
    assert description(tropixc.circuit_from_text(text.replace("\n", "\r\n"))) == description(circuit)


NAMES = st.one_of(
    st.text(st.characters(), max_size=8),  # surrogates and controls too
    st.sampled_from(
        ["", "x", "x0", "max", "output", "input", "#1", "#1 x", "a b", 'q"', "\\", "\\u{41}", "\n", "é", "_"]
    ),
    st.text("ab\"'\\\n\r\t #=[]{}:,.\u2028\x85\x0b", max_size=6),
)


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), heat=st.sampled_from([0.0, 1.0, 1 / 3]), data=st.data())
def test_random_circuits_survive(seed: int, heat: float, data: st.DataObject) -> None:
    for make in (everything, assorted):
        circuit = make(seed).heat(heat)
        survives(circuit)
        count = len(circuit.nodes)
        names = data.draw(st.lists(NAMES, min_size=count, max_size=count))
        survives(Circuit(circuit.nodes, circuit.output, tuple(names)))


@pytest.mark.parametrize("name", list(degenerate()))
def test_degenerate_circuits_survive(name: str) -> None:
    survives(degenerate()[name])


def test_large_sparse_circuits_and_shipped_models_survive(models) -> None:  # type: ignore[no-untyped-def]
    survives(wide_and_sparse(0))
    for path in sorted(models.glob("*.onnx")):
        survives(tropixc.load(path))


@settings(max_examples=200)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6), st.booleans())
@example([5e-324, -sys.float_info.max, 2.0**53 + 2, 1e16, -1e22, 0.1], False)
def test_every_float_survives(values: list[float], dense: bool) -> None:
    weights = np.reshape(values[:4], (2, 2))
    terms = (Term(0, weights if dense else sp.csr_array(weights)), Term(0, weights.T))
    survives(Circuit((Input(2), Affine(terms, np.array(values[4:]))), 1))


@given(st.floats(min_value=sys.float_info.min, max_value=sys.float_info.max))
def test_every_temperature_survives(eps: float) -> None:
    survives(Circuit((Input(3), LogSumExp(0, eps, np.array([0, 1, 3])), Gibbs(1, eps, uniform_segments(2, 1))), 2))


def test_the_text_is_readable() -> None:
    x = Input(4)
    z = Affine((Term(0, np.array([[2.0, 0, 0, -1], [0, 0, 0, 0], [-0.5, 1, 0, 0]])),), np.array([0.5, 0, -1e-7]))
    nodes = (x, z, LogSumExp(1, 0.0, np.array([0, 2, 3])), Gibbs(1, 0.25, uniform_segments(1, 3)), Product(1, 3, 3))
    total = Affine(
        (Term(4, np.array([[1.0, 0, 3]])), Term(2, sp.csr_array([[1.0, 0]])), Term(2, np.ones((1, 2)))), [0.0]
    )
    circuit = Circuit((*nodes, total, Pointwise(5, "exp", 1)), 6, ("x", "z", "h", "attn/weights", "p", "p", "e"))
    assert tropixc.circuit_to_text(circuit).splitlines() == [
        "tropix circuit 1",
        "x = input 4",
        "z = affine 3: dense x",
        "  2*x[0] - x[3] + 0.5",
        "  0",
        "  -0.5*x[0] + x[1] - 1e-07",
        "h = max z [0:2 2:3]",
        '#3 "attn/weights" = gibbs z eps 0.25 [1 x 3]',
        '#4 "p" = product z #3',
        '#5 "p" = affine 1: dense #4, sparse h, dense h',
        "  #4[0] + 3*#4[2] + h.1[0] + h.2[0] + h.2[1]",
        "e = exp #5",
        "output e",
    ]
    survives(circuit)


REFUSED = [
    ("", "line 1: the text ends here"),
    ("tropix circuit 2\n", "line 1: version 2 of the format: only version 1"),
    ("tropix polynomial 1\n", "line 1: 'tropix polynomial 1': expected 'tropix circuit 1'"),
    ("H", "line 2: the text ends here"),
    ("Houtput x\n", "line 2: 'x' is no node"),
    ("Hx = input 0\noutput x\n", "line 2: a circuit needs at least one input"),
    ("Hx = input 99999999\noutput x\n", "line 2: 99999999 inputs: at most"),
    ("Hx = input 2\n", "line 3: the text ends here"),
    ("Hx = input 2\noutput x", None),
    ("Hx = input 2\noutput x\n\n", None),
    ("Hx = input 2\noutput x\nmore\n", "line 4: nothing may follow"),
    ("Hx = input 2\noutput y\n", "line 3: 'y' is no node"),
    ("Hx = input 2\noutput #1\n", "line 3: '#1' is no node"),
    ("Hx = input 2\nx = exp x\noutput x\n", "line 3: the name 'x' is defined twice"),
    ('Hx = input 2\n#2 "x" = exp x\noutput x\n', "line 3: node #2 is the node of position 1"),
    ('Hx = input 2\n#1 "\\u{110000}" = exp x\noutput x\n', "line 3: .*is no character"),
    ("Hx = input 2\ny = input 2\noutput y\n", "line 3: the first node, and only the first"),
    ("Hx = affine 1\n  0\noutput x\n", "line 3: the first node, and only the first"),
    ("Hx = input 2\ny = exp y\noutput y\n", "line 3: 'y' is no node of an earlier line"),
    ("Hx = input 2\ny = sin x\noutput y\n", "line 3: 'sin x': expected input, affine"),
    ("Hx = input 2\ny = affine 1: dense x\n  2*x[2]\noutput y\n", r"line 4: x\[2\]: no entry"),
    (
        "Hx = input 2\ny = affine 1: dense x\n  x[1] + x[0]\noutput y\n",
        r"line 4: x\[0\]: no entry of the sources, or out",
    ),
    ("Hx = input 2\ny = affine 1: dense x\n  x[1] + x[1]\noutput y\n", r"line 4: x\[1\]"),
    ("Hx = input 2\ny = affine 1: dense x\n  nan*x[1]\noutput y\n", "line 4: .*expected summands"),
    ("Hx = input 2\ny = affine 1: dense x\n  1e999*x[1]\noutput y\n", "line 4: 1e999 is beyond float64"),
    ("Hx = input 2\ny = affine 1: dense x\n  1e999\noutput y\n", "line 4: 1e999 is beyond float64"),
    ("Hx = input 2\ny = affine 1: dense x\n  1 + x[0]\noutput y\n", "line 4: .*follows the constant"),
    ("Hx = input 2\ny = affine 1: dense x\n  x[0] x[1]\noutput y\n", "line 4: ' x.*expected summands"),
    ("Hx = input 2\ny = affine 1: dense x\n  \noutput y\n", "line 4: .*expected summands"),
    ("Hx = input 2\ny = affine 1: dense x\nx[0]\noutput y\n", "line 4: .*indented"),
    ("Hx = input 2\ny = affine 2: dense x\n  x[0]\noutput y\n", "line 5: .*indented"),
    ("Hx = input 2\ny = affine 99: dense x\n  x[0]\noutput y\n", "line 3: 99 rows are announced, but"),
    ("Hx = input 2\ny = affine 1: dense x dense x\n  x[0]\noutput y\n", "line 3: 'dense x dense x': expected terms"),
    ("Hx = input 2\ny = affine 1: dense x, dense x\n  x[0]\noutput y\n", r"line 4: x\[0\]"),
    ("Hx = input 2\ny = max x [1 x 3]\noutput y\n", "line 3: 1 segments of 3 entries, but the source has 2"),
    ("Hx = input 2\ny = max x [0 x 0]\noutput y\n", "line 3: 0 segments"),
    ("Hx = input 2\ny = max x [0:1]\noutput y\n", "line 3: segments end at 1"),
    ("Hx = input 2\ny = max x [0:1 1:1 1:2]\noutput y\n", "line 3: segment '1:1'"),
    ("Hx = input 2\ny = max x []\noutput y\n", "line 3: segment ''"),
    ("Hx = input 2\ny = lse x eps inf [1 x 2]\noutput y\n", "line 3: .*expected input"),
    ("Hx = input 2\ny = lse x eps 1e999 [1 x 2]\noutput y\n", "line 3: 1e999 is beyond"),
    ("Hx = input 2\ny = lse x eps 1e-320 [1 x 2]\noutput y\n", "line 3: eps is"),
    ("Hx = input 2\ny = max x [2 x 1]\nz = max x [1 x 2]\np = product y z\noutput p\n", "line 5: .* sizes 2 and 1"),
    ("Hx = input __import__('os')\noutput x\n", "line 2: "),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_no_circuit_is_refused(text: str, message: str | None) -> None:
    text = text.replace("H", "tropix circuit 1\n", 1)
    if message is None:
        assert tropixc.circuit_from_text(text).output_size == 2
        return
    with pytest.raises(FormatError, match=f"^{message}"):
        tropixc.circuit_from_text(text)


SOURCES = [tropixc.circuit_to_text(make(seed)) for make in (everything, assorted) for seed in range(40)]


PIECES = st.one_of(st.text(st.characters(), max_size=4), st.sampled_from(list('0123456789.e+-*[]:#\n "x=')))


@settings(max_examples=600)
@given(data=st.data())
def test_mutated_texts_raise_nothing_else(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SOURCES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = start + data.draw(st.integers(0, 5))
        text = text[:start] + data.draw(PIECES) + text[stop:]
    try:
        circuit = tropixc.circuit_from_text(text)
    except FormatError:
        return
    survives(circuit)


BOMBS = [
    "x = input 16777216\n" + "".join(f"y{i} = max x [16777216 x 1]\n" for i in range(4)) + "output x\n",
    f"x = input 16777216\ny = affine 900: dense x\n{'  0' * 900}\noutput y\n",
    f"x = input 16777216\ny = affine 9: {', '.join(['dense x'] * 9)}\n" + "  0\n" * 9 + "output y\n",
    "x = input 2\ny = affine 999999999: sparse x\n  0\noutput y\n",
    f"x = input 2\ny = max x [{'9' * 5000} x 2]\noutput y\n",
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_sizes_are_bounded_before_anything_is_allocated(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_circuit_parser, "MAX_NUMBERS", 1_000_000)
    tracemalloc.start()
    with pytest.raises(FormatError):
        tropixc.circuit_from_text(f"tropix circuit 1\n{bomb}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("excess", [0, 1])
def test_texts_that_could_not_be_read_are_not_written(monkeypatch: pytest.MonkeyPatch, excess: int) -> None:
    circuit = wide_and_sparse(0)
    text = tropixc.circuit_to_text(circuit)
    monkeypatch.setattr(_circuit_text, "MAX_NUMBERS", 0)
    with pytest.raises(Unsupported) as refusal:
        tropixc.circuit_to_text(circuit)
    numbers = int(str(refusal.value).split()[3])
    for module in (_circuit_text, _circuit_parser):
        monkeypatch.setattr(module, "MAX_NUMBERS", numbers - excess)
    if excess:
        with pytest.raises(Unsupported, match="at most"):
            tropixc.circuit_to_text(circuit)
        with pytest.raises(FormatError, match="announces"):
            tropixc.circuit_from_text(text)
    else:
        assert tropixc.circuit_to_text(tropixc.circuit_from_text(text)) == text
