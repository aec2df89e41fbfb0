"""`aios fs mount`: a folder of the host and a virtual one, kept the same both ways."""
