"""Tests of more than one operation, and the runner that all operations are tested with."""
