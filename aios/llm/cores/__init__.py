"""Several cores behind one pool: which there are, how they fare, and which of them a call goes to."""
