"""LLM cores: the driver for TGI, the executor of the `llm` pool, and the token streams that clients follow."""
