"""Experiments E4 and E5: generations that are interrupted in every way, on real engines, claimed and kept in Postgres."""
