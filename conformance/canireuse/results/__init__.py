"""Results: what a run leaves behind, and what that says to the claims of documents."""
