"""Makes `python -m callboard` the same as `callboard`."""

from callboard.cli import main

if __name__ == "__main__":
    main()
