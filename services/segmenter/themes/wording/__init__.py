"""What a sentence says about the things that a policy names: words, phrases, clauses. Pure."""
