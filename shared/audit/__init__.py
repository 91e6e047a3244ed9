"""What people did to an installation, row after row, each sealed to the one before it."""
