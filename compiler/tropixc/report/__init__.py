"""What a circuit is made of: blocks as people name them, and their Hamilton–Jacobi reading."""

from tropixc.report._blocks import Block as Block
from tropixc.report._blocks import describe_blocks as describe_blocks
