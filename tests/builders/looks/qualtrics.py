"""Qualtrics: only whose token it is."""

from tests.builders.looks import Look

LOOK = Look("qualtrics", {"/API/v3/whoami": {"result": {"userId": "UR_1", "brandId": "example"}}})
