"""`python -m aios`: the same as the script `aios`."""

from aios.cli.main import main

if __name__ == "__main__":
    main()
