"""`python -m semopt`, and the command `semopt`."""

from .interrupts import end_at_once


def main() -> None:
    """Run the command line, which a signal may cut as early as its imports."""
    end_at_once()
    from .cli import main as run

    run()


if __name__ == "__main__":
    main()
