"""Cases: opened by a decision, resolved by a person, asked about afterwards."""
