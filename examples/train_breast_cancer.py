"""Train the breast-cancer classifier: a ReLU network 30-16-8-2, the measurements standardised inside the model.

    python examples/train_breast_cancer.py [FILE.onnx]

Needs the extras ``torch`` and ``sklearn``. Prints the accuracy on the held-out quarter.
"""

from __future__ import annotations

import torch
from datasets import breast_cancer
from exporting import run


class ReluClassifier(torch.nn.Module):
    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(30, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers((x - self.mean) * self.scale)


def train() -> tuple[ReluClassifier, float]:
    torch.manual_seed(0)
    train_x, test_x, train_y, test_y = (torch.as_tensor(part) for part in breast_cancer())
    model = ReluClassifier(train_x.mean(0), 1 / train_x.std(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(train_x), train_y).backward()
        optimizer.step()
    with torch.no_grad():
        return model, float((model(test_x).argmax(1) == test_y).float().mean())


if __name__ == "__main__":
    run("breast_cancer_relu", train, 30, ("measurements", "logits"))
