"""The SDK: the client, and the loader of programs."""
