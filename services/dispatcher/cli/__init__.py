"""The `nps` commands of the dispatcher, a file per group."""
