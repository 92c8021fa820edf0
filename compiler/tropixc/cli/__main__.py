"""``python -m tropixc.cli``: the same as the command ``tropix``."""

from tropixc.cli import main

main()
