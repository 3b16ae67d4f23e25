"""The background worker: claims a round, trains on its snapshot, predicts the pool, ranks it, publishes.

A round belongs to one worker by lease. A thread renews the lease, so a worker that was killed is known
by its silence, and the next one goes on from the newest checkpoint. Whatever goes wrong with a round ends
in a sentence on the screen; the worker itself goes on.

From the top down: ``loop`` waits for rounds; ``round`` runs one, on the ``images`` and the ``snapshot`` it
reads; ``starts`` chooses the weights that ``training`` begins from; ``scoring`` or ``cold_start`` puts the
pool in order; ``claim`` is the round's row in the database, with which all of them speak.
"""

from core.worker.claim import LEASE_S as LEASE_S
from core.worker.device import pick_device as pick_device
from core.worker.loop import run_worker as run_worker
from core.worker.round import run_round as run_round
