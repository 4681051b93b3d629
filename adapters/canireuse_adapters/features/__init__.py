"""Rare verbs, one file each: what it means, and how every framework says it."""
