"""Prints the version of melix that is installed."""

import melix

print("melix", melix.__version__)
