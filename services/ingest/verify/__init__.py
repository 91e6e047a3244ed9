"""Who sent it: signatures, tokens and addresses, as `verify:` of a source says. Pure."""
