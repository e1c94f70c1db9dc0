"""Allows ``python -m stackplan.cli``."""

from stackplan.cli import main

main()
