"""One batch decided, from what was gathered to what is to be written. Pure."""
