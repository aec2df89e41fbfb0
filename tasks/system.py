"""The pool `system`. What beat rings: schedules that are due, and pruning."""
