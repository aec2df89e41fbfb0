"""What the pool `memory` does: every operation with its line, for Flower, for `celery inspect` and for messages."""

from __future__ import annotations

from typing import Final

OPERATIONS: Final = {
    "alloc": "Make a block of working memory, or change its room and pin.",
    "read": "Read a block.",
    "write": "Write a block.",
    "clear": "Forget one block, or all.",
    "list": "List blocks.",
    "stat": "Tell how full working memory is.",
    "add": "Store a note.",
    "get": "Look one note up.",
    "search": "Find the nearest notes.",
    "update": "Change a note.",
    "remove": "Forget a note.",
    "link": "Link two notes, both ways.",
    "related": "Follow a note's links.",
    "history": "Tell what a note was before.",
    "recall": "Find what a chat should be told.",
    "remember": "Store a reply of the same request as a note.",
    "page_out": "Store turns that a conversation has no room for.",
    "analyse": "Write what a model said of a note, and find its neighbours.",
    "evolve": "Link a note with its neighbours and change them, as a model said.",
}
