"""The access manager: what an agent may do, what a human must approve first, and the log of both."""
