"""Write the generated files anew."""

import sys

from canireuse.schemas import files

for path, text in files().items():
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {path.name}\n")
