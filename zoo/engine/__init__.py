"""The engine: jobs in processes of their own, so that a crash, a hang or a `sys.exit` costs one job alone.

`pool` runs jobs from the caller's process and imports no torch; `server` has imported everything, has computed nothing,
and forks a child per job; `worker` is what happens inside a child. The user's `__main__` is never run again.
"""
