"""The same agent on this kernel and on its durable peers, on the same servers, in the same run (E13).

Each folder is one peer: `requirements.txt` and a program as its documentation would write it. `reference/` is what their
programs share.
"""
