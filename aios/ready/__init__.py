"""Ready sets: what may run, in order, and what was granted, in Redis. A cache of Postgres that can be wiped at any moment.

What waits stands in a line per limiting key, ordered by the policy's score; what was granted is a lease. One Lua call
settles, releases and grants; what it grants is then published to the pool's queue. A grant whose lease ended (a lost
message, a dead worker) goes back to its old place in the same call. After a wipe the epoch key is gone and nothing is
granted until recovery has rebuilt the sets from Postgres.
"""

from aios.kernel.policy import Payer
from aios.ready.bell import Bell, Done, Granted, Rate, Wiped
from aios.ready.connection import connect, where
from aios.ready.sets import ReadySets

__all__ = ["Bell", "Done", "Granted", "Payer", "Rate", "ReadySets", "Wiped", "connect", "where"]
