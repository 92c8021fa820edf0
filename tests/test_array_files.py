"""Networks from ``.npz`` and JSON files: what they compute, and what is refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logsumexp, softmax

import tropixc
from tropix.circuits import Circuit
from tropix.errors import FormatError, InvalidInput
from tropixc.frontends import _json, _npz

RNG = np.random.default_rng(0)
W, B = RNG.normal(size=(6, 3)), RNG.normal(size=6)
X = RNG.normal(size=(20, 3))
Z = X @ W.T + B


def written(path: Path, arrays: dict[str, Any]) -> Path:
    """The arrays in a file, in the form that its suffix says."""
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
    else:
        path.write_text(json.dumps({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in arrays.items()}))
    return path


ACTIVATIONS: list[tuple[dict[str, Any], np.ndarray]] = [
    ({}, Z),
    ({"activation": "relu"}, np.maximum(Z, 0)),
    ({"activation": "abs"}, np.abs(Z)),
    ({"activation": "sigmoid"}, expit(Z)),
    ({"activation": "tanh"}, np.tanh(Z)),
    ({"activation": "softmax"}, softmax(Z, axis=1)),
    ({"activation": "softmax", "eps": 0.5, "pieces": 3}, softmax(2 * Z.reshape(20, 2, 3), axis=2).reshape(20, 6)),
    ({"activation": "leaky_relu", "slope": 0.25}, np.maximum(Z, Z / 4)),
    ({"activation": "softplus", "eps": 0.5}, np.logaddexp(0, 2 * Z) / 2),
    ({"eps": 0.1}, logsumexp(10 * Z, axis=1)[:, None] / 10),
    ({"eps": 0}, Z.max(axis=1)[:, None]),
    ({"eps": 0.1, "pieces": 2}, logsumexp(10 * Z.reshape(20, 3, 2), axis=2) / 10),
    ({"activation": "max", "pieces": 3}, Z.reshape(20, 2, 3).max(axis=2)),
]


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize(("entries", "expected"), ACTIVATIONS, ids=[str(entries) for entries, _ in ACTIVATIONS])
def test_one_layer(entries: dict[str, Any], expected: np.ndarray, suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"f{suffix}", {"weights": W, "bias": B, **entries})
    np.testing.assert_allclose(tropixc.read_arrays(path)(X), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(tropixc.load(str(path))(X), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_absent_pieces_and_bias(suffix: str, tmp_path: Path) -> None:
    bias = B.copy()
    bias[[0, 3]] = -np.inf
    circuit = tropixc.load(written(tmp_path / f"f{suffix}", {"weights": W, "bias": bias, "eps": 0.2, "pieces": 3}))
    expected = logsumexp(5 * (X @ W.T + bias).reshape(20, 2, 3), axis=2) / 5
    np.testing.assert_allclose(circuit(X), expected, rtol=1e-13)
    linear = tropixc.load(written(tmp_path / f"g{suffix}", {"weights": W}))
    np.testing.assert_allclose(linear(X), X @ W.T, rtol=1e-13, atol=1e-14)


def two_layers() -> np.ndarray:
    return logsumexp((np.maximum(Z, 0) @ W).reshape(20, 1, 3) / 0.5, axis=2) * 0.5


def test_several_layers(tmp_path: Path) -> None:
    numbered = {"weights_0": W, "bias_0": B, "activation_0": "relu", "weights_1": W.T, "eps_1": 0.5}
    np.testing.assert_allclose(tropixc.load(written(tmp_path / "f.npz", numbered))(X), two_layers(), rtol=1e-13)
    last: list[dict[str, Any]] = [{"lse": {"eps": 0.5, "pieces": 3}}, {"lse": 0.5}, {"lse": {"eps": 0.5}}]
    for activation in last:
        first = {"weights": W.tolist(), "bias": B.tolist(), "activation": "relu"}
        layers = {"layers": [first, {"weights": W.T.tolist(), "activation": activation}]}
        np.testing.assert_allclose(tropixc.load(written(tmp_path / "f.json", layers))(X), two_layers(), rtol=1e-13)


def test_integers_and_fortran_order(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    np.savez(path, weights=np.asfortranarray([[1, 2], [3, 4], [5, 6]]), bias=np.float32([1, 2, 3]), eps=np.array([0]))
    assert tropixc.load(path)([1.0, -1.0]).tolist() == [2.0]


def test_a_network_compiles(tmp_path: Path) -> None:
    path = written(tmp_path / "f.json", {"weights": [[1], [-1], [0]], "eps": 0.1})
    assert tropixc.compile(path, "text") == "max(x0, -x0)"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"weights": W, "bais": B}, "bais"),
    ({"weights": W[0], "bias": B}, "weights has shape"),
    ({"weights": W, "bias": B[:2]}, "bias"),
    ({"weights": W * np.nan, "bias": B}, "weights contains NaN"),
    ({"weights": W, "bias": B + np.inf, "eps": 1}, "bias contains"),
    ({"weights": W, "bias": B - np.inf}, "bias contains -inf"),
    ({"weights": W, "bias": B - np.inf, "eps": 1}, "-inf everywhere"),
    ({"weights": W, "bias": B, "eps": -1.0}, "activation"),
    ({"weights": W, "bias": B, "eps": np.nan}, "activation"),
    ({"weights": W, "bias": B, "eps": np.inf}, "eps"),
    ({"weights": W, "bias": B, "eps": 1, "pieces": 4}, "groups of 4"),
    ({"weights": W, "bias": B, "eps": 1, "pieces": 0}, "groups of 0"),
    ({"weights": W, "bias": B, "eps": 1, "pieces": 1.5}, "pieces"),
    ({"weights": W, "bias": B, "eps": 1, "pieces": np.inf}, "pieces"),
    ({"weights": W, "bias": B, "eps": [1.0, 2.0]}, "eps: expected one number"),
    ({"weights": W, "bias": B, "activation": "relu", "eps": 1}, "eps: activation 'relu'"),
    ({"weights": W, "bias": B, "activation": "softplus"}, "eps is missing"),
    ({"weights": W, "bias": B, "activation": "swish"}, "swish"),
    ({"weights": W, "bias": B, "activation": 3}, "expected a name"),
    ({"weights": W.astype(str), "bias": B}, "real numbers"),
    ({"weights": W[:, :0], "bias": B}, "at least one"),
    ({"weights": W > 0, "bias": B}, "real numbers"),
    ({"bias": [1.0]}, "weights is missing|without gaps|bias"),
]


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize(("entries", "text"), WRONG, ids=[text for _, text in WRONG])
def test_wrong_arrays_are_refused_by_name(entries: dict[str, Any], text: str, suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"f{suffix}", entries)
    with pytest.raises(InvalidInput, match=text) as caught:
        tropixc.load(path)
    assert str(caught.value).startswith(str(path))


WRONG_JSON = [
    ("", "JSON"),
    ("[1, 2]", "expected an object"),
    ('{"weights": [[1], [2', "truncated"),
    ('{"weights": [[1], [2, 3]]}', "weights must be"),
    ('{"weights": [[null]]}', "weights must be"),
    ('{"weights": [["1"]]}', "weights must be"),
    ('{"weights": [[1e999]]}', "inf"),
    ('{"weights": [[1]], "weights": [[2]]}', "twice"),
    ('{"weights": [[1]], "eps": 1' + "0" * 400 + "}", "eps"),
    ('{"weights": ' + "[" * 100_000, "JSON"),
    ('{"weights": ' + "[" * 80 + "1" + "]" * 80 + "}", "weights"),
    ('{"layers": []}', "at least one layer"),
    ('{"layers": [[1]]}', r"layers\[0\]"),
    ('{"layers": [{"weights": [[1]]}], "bias": [1]}', "only key"),
    ('{"layers": [{"weights": [[1]]}, {"bias": [1]}]}', r"weights of layers\[1\]"),
    ('{"layers": [{"weights": [[1]], "activation": {"softplus": "a"}}]}', r"eps of layers\[0\]"),
    ('{"weights": [[1]], "activation": {"softplus": 1, "lse": 1}}', "one name"),
    ('{"weights": [[1]], "activation": {"relu": 1}, "eps": 1}', "one name"),
    ('{"weights": [[1]], "activation": {"max": true}}', "pieces"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_JSON, ids=[text[:40] for text, _ in WRONG_JSON])
def test_wrong_json_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message) as caught:
        tropixc.load(path)
    assert str(caught.value).startswith(str(path))


def test_json_that_is_no_text_or_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="JSON"):
        tropixc.load(path)
    monkeypatch.setattr(_json, "MAX_BYTES", 2)
    with pytest.raises(FormatError, match=r"save the arrays as \.npz"):
        tropixc.load(path)


def test_a_compiled_artefact_is_recognised(tmp_path: Path) -> None:
    polynomial = tropixc.compile(tropixc.from_arrays([(W, B, ("max", 6))]))
    path = tmp_path / "compiled.json"
    tropixc.write_artefact(path, tropixc.Artefact((polynomial,), (0,)))
    with pytest.raises(FormatError, match="read_artefact"):
        tropixc.load(path)


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def header(shape: str, descr: str = "<f8") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    return buffer.getvalue()


WRONG_NPZ: list[tuple[dict[str, bytes], str]] = [
    ({}, "0 arrays"),
    ({"readme.txt": b"hello"}, "readme.txt"),
    ({"a/weights.npy": header("(1, 1)") + b"\0" * 8}, "a/weights"),
    ({"weights.npy": b"hello"}, "no header"),
    ({"weights.npy": b""}, "no header"),
    ({"weights.npy": header("(1, 1)")[:-30]}, "no header"),
    ({"weights.npy": header("(10000000, 10000000)") + b"\0" * 8}, "announces 800000000000000 bytes"),
    ({"weights.npy": header("(2, 2)") + b"\0" * 31}, "announces 32 bytes"),
    ({"weights.npy": header("(2, 2)") + b"\0" * 33}, "announces 32 bytes"),
    ({"weights.npy": header("(-2, -2)") + b"\0" * 32}, "negative"),
    ({"weights.npy": header("(2,", "<f8")}, "no header"),
    ({"weights.npy": header("(1, 1)", "|O") + b"\0" * 8}, "real numbers"),
    ({"weights.npy": pickled()}, "real numbers"),
    ({"weights.npy": header("(1, 1)", "<c16") + b"\0" * 16}, "real numbers"),
    ({"weights.npy": header("()", "<U4000000") + b"\0" * 16}, "real numbers"),
    ({"weights_1.npy": header("(1, 1)") + b"\0" * 8}, "without gaps"),
    ({"arr_0.npy": header("(1, 1)") + b"\0" * 8}, "arr_0"),
]


@pytest.mark.parametrize(("entries", "message"), WRONG_NPZ, ids=[f"{m}-{i}" for i, (_, m) in enumerate(WRONG_NPZ)])
def test_wrong_archives_are_refused(entries: dict[str, bytes], message: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "f.npz", entries)
    with pytest.raises(FormatError, match=message) as caught:
        tropixc.load(path)
    assert str(caught.value).startswith(str(path))


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "f.npz", {"weights": W, "bias": B, "eps": 1.0})
    sound = path.read_bytes()
    for length in range(0, len(sound), 97):
        path.write_bytes(sound[:length])
        with pytest.raises(FormatError, match=r"f\.npz"):
            tropixc.load(path)


def test_changed_bytes_never_escape_as_other_errors(tmp_path: Path) -> None:
    path = written(tmp_path / "f.npz", {"weights": W, "bias": B, "eps": 1.0})
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(sound)
        damaged[rng.integers(len(sound))] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            assert isinstance(tropixc.load(path), Circuit)
        except InvalidInput:
            refused += 1
    assert refused > 100


def test_sizes_are_bounded_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "f.npz", {"weights": np.zeros((1000, 1000))})
    monkeypatch.setattr(_npz, "MAX_BYTES", 7_999_999)
    with pytest.raises(FormatError, match="more than 7999999"):
        tropixc.load(path)


def test_an_archive_that_announces_more_than_deflate_can_pack(tmp_path: Path) -> None:
    path = written(tmp_path / "f.npz", {"weights": W})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 900_000_000)  # the announced size
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="announces 900000000 bytes"):
        tropixc.load(path)


def test_where_the_file_is_missing_or_an_output_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        tropixc.load(tmp_path / "none.npz")
    with pytest.raises(FormatError, match="a folder"):
        tropixc.read_arrays(tmp_path)
    with pytest.raises(InvalidInput, match="one output"):
        tropixc.load(written(tmp_path / "f.json", {"weights": [[1]]}), "y")
