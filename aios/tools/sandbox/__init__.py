"""The sandbox: foreign code in namespaces of its own, with an agent's files and nothing else of this machine."""
