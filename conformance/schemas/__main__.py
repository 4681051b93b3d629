"""Write the generated files anew."""

from conformance.schemas import files

for path, text in files().items():
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.name}")
