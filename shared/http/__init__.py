"""HTTP manners that every service shares: problems, bearer tokens with scopes."""
