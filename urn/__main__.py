"""`python -m urn`."""

from urn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
