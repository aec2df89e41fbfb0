"""What a worker process does: execute syscalls, drive programs, prove that it lives, and recover what the dead held."""
