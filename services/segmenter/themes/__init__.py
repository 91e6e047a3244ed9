"""Why she scored so: themes of what she wrote, with their polarity."""
