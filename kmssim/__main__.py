"""`python -m kmssim`: the same as `kmssim`, for where the script is not on the path."""

from kmssim.cli import main

main()
