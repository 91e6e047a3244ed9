"""Every event of the product, defined once.

In: bytes from a topic, or plain values from a service. Out: frozen values, or bytes for a topic.
Promise: readers ignore fields they do not know, writers never reuse a name, and the golden JSON in
`tests/contracts/events` changes only by addition within a major version.

`envelope` holds the CloudEvents wrapping; `feedback`, `decisions` and `outcomes` hold the data of
the three topics; `ids` the deterministic identifiers.
"""
