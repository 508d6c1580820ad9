"""python -m skitter: the same as the command."""

from skitter.cli.main import entry

if __name__ == "__main__":
    entry()
