"""The runner: one run as a whole, in pytest; what is shown of it, and what is written down."""
