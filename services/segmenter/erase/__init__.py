"""Forgetting a person, and what stops her old data from coming back."""
