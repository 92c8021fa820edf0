"""``python -m tropixc.cli``: the same as the command ``tropix``."""

from tropixc.cli import main

if __name__ == "__main__":  # processes of a pool import this file
    main()
