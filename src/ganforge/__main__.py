"""`python -m ganforge` is `ganforge`."""

from ganforge.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
