"""Tools: typed Python functions that a model may call, those that ship and those that an operator adds."""
