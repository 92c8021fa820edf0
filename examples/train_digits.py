"""Train the digits classifier: ten logits, each a log-sum-exp of four affine pieces at eps = 1/16.

    python examples/train_digits.py [FILE.onnx]

Needs the extras ``torch`` and ``sklearn``. Prints the accuracy on the held-out quarter.
"""

from __future__ import annotations

import torch
from datasets import digits
from exporting import run

PIECES = 4
HEAT = 16.0  # 1/eps, a power of two: scaling by it is exact


class LogSumExpClassifier(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pieces = torch.nn.Linear(64, 10 * PIECES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.logsumexp(HEAT * self.pieces(x).view(-1, 10, PIECES), dim=2) / HEAT


def train() -> tuple[LogSumExpClassifier, float]:
    torch.manual_seed(0)
    train_x, test_x, train_y, test_y = (torch.as_tensor(part) for part in digits())
    model = LogSumExpClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(2 * model(train_x), train_y).backward()
        optimizer.step()
    with torch.no_grad():
        return model, float((model(test_x).argmax(1) == test_y).float().mean())


if __name__ == "__main__":
    run("digits_lse", train, 64, ("pixels", "logits"))
