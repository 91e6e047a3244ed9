"""What `playbook.yaml` says: plays, their conditions, variants, offers and routes, as values."""
