"""From a message to wire values: paths, values and times, compiled from `sources.yaml`. Pure."""
