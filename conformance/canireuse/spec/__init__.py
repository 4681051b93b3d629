"""Specs: what a file below `specs/` may say, and how one is read, with every error at its place."""
