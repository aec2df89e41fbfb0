"""Memory: what agents remember, found again by meaning and by words."""
