"""Customer.io's transactional messages: only the key."""

from tests.builders.looks import Look

LOOK = Look("customerio_email", {"/v1/transactional": {"messages": [{"id": 2, "name": "Other"}]}})
