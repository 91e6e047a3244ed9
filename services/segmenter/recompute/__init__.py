"""Another policy: what it would change."""
