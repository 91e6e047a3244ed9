"""The figures: what the answers of a period say together, how sure that is, and what changed."""
