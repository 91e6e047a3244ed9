"""`nps source check`, `try` and `suggest`: a source looked at before it goes live."""
