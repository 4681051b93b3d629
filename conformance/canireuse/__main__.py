"""`python -m canireuse` is `canireuse`."""

from canireuse.commands import main

main()
