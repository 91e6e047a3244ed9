"""The tables: what a batch gathers and writes, timers, progress, pruning."""
