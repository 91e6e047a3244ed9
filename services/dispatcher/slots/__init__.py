"""Contact budgets: who had what, and whether one more contact fits."""
