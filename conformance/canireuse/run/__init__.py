"""Running: scripts in processes of their own, and what came of them."""
