"""A package that ends the process that imports it."""

raise SystemExit("it needs a licence")
