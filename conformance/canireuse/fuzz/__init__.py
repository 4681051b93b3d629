"""Random programs: specs that nobody thought of, on which the reference model and a backend are to agree."""
