"""Documents that run: the blocks of Markdown files, what they promise, and what came of it."""
