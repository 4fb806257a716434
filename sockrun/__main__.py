"""`python -m sockrun`."""

from sockrun.cli import main

main()
