"""The command line: one module per verb; the only place that prints and exits."""


def main() -> None:
    """Run the command line."""
