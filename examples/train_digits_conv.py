"""Train a small convolutional ReLU network on the digits: 8 and 16 channels, 2×2 maximum pooling, ten logits.

    python examples/train_digits_conv.py [FILE.onnx]

Needs the extras ``torch`` and ``sklearn``. Prints the accuracy on the held-out quarter.
"""

from __future__ import annotations

import torch
from datasets import digits
from exporting import run


class Convolutional(torch.nn.Module):
    """64 pixels, read as one 8×8 image → 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(256, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(x.reshape(-1, 1, 8, 8))
        return logits


def train() -> tuple[Convolutional, float]:
    torch.manual_seed(0)
    train_x, test_x, train_y, test_y = (torch.as_tensor(part) for part in digits())
    model = Convolutional()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.05)
    for _ in range(20):
        for rows in torch.randperm(len(train_x)).split(128):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(train_x[rows]), train_y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return model, float((model(test_x).argmax(1) == test_y).float().mean())


if __name__ == "__main__":
    run("digits_conv", train, 64, ("pixels", "logits"))
