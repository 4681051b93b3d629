"""Measuring: what loops of scripts take, how times are compared, and what is said of them."""
