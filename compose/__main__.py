"""`python -m compose` is `tripod`."""

from compose.command import main

main()
