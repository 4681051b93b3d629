"""`python -m conformance` is `canireuse`."""

from conformance.commands import main

main()
