"""Reading again: the quarantine, the remap of what was understood wrongly, deleting a person."""
