"""Train an input-convex network on iris petals: {f < 0} is a convex region that holds the versicolors.

    python examples/train_iris.py [FILE.onnx]

Two hidden softplus layers at eps = 1/16; weights behind the first are nonnegative by construction.
Needs the extras ``torch`` and ``sklearn``. Prints the accuracy on the held-out quarter.
"""

from __future__ import annotations

import torch
from datasets import iris_petals
from exporting import run

WIDTHS = (8, 6)
HEAT = 16.0  # 1/eps


def softplus(z: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softplus(HEAT * z) / HEAT


class InputConvexNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor([3.75, 1.25]))
        self.register_buffer("scale", torch.tensor([0.5, 1.25]))
        self.first = torch.nn.Linear(2, WIDTHS[0])
        self.second = torch.nn.Linear(2, WIDTHS[1])
        self.last = torch.nn.Linear(2, 1)
        self.inner = torch.nn.Parameter(0.3 * torch.rand(WIDTHS[1], WIDTHS[0]))
        self.outer = torch.nn.Parameter(0.3 * torch.rand(1, WIDTHS[1]))

    def forward(self, petals: torch.Tensor) -> torch.Tensor:
        x = (petals - self.centre) * self.scale
        v = softplus(self.first(x))
        v = softplus(torch.nn.functional.linear(v, torch.relu(self.inner)) + self.second(x))
        return torch.nn.functional.linear(v, torch.relu(self.outer)) + self.last(x)


def train() -> tuple[InputConvexNetwork, float]:
    torch.manual_seed(0)
    train_x, test_x, train_y, test_y = (torch.as_tensor(part) for part in iris_petals())
    model = InputConvexNetwork()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.3)
    for _ in range(800):
        optimizer.zero_grad()
        score = -model(train_x)[:, 0]
        torch.nn.functional.binary_cross_entropy_with_logits(score, train_y.float()).backward()
        optimizer.step()
    with torch.no_grad():
        return model, float(((model(test_x)[:, 0] < 0) == (test_y == 1)).float().mean())


if __name__ == "__main__":
    run("iris_icnn", train, 2, ("petals", "score"))
