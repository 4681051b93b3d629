"""Judging: from a spec and what its script did to a verdict, and the words for it."""
