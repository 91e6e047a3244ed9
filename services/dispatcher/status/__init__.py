"""What became of messages: when platforms are asked, what is heard, and that it is told."""
