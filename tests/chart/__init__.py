"""The Helm chart, held to what it promises by rendering it."""
