"""``python -m hfdask`` is the command line."""

from hfdask.cli import main

if __name__ == "__main__":
    main()
