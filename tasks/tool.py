"""The pool `tool`. Tools: one that a program calls, or all that a model asked for."""

from aios.kernel.words import Pool
from tasks.application import serve

serve(
    Pool.TOOL,
    call="Call one tool.",
    run="Run the tools that the request's reply asks for.",
)
