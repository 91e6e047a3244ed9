"""The dispatcher plans decisions into deliveries and pushes them until the verdict is final."""
