"""The `nps` commands of the segmenter, a file per group."""
