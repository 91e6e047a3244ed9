"""The demonstration: invented answers, really posted and signed, and what became of each."""
