"""A campaign platform to look at: receives, shows, misbehaves on demand."""
