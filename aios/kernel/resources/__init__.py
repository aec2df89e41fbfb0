"""The faces of an agent, one per resource. Every method makes a request; none does I/O."""
