"""HMAC from prepared hashes is HMAC."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.keyed import Keyed


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@given(key=st.binary(max_size=300), texts=st.lists(st.binary(max_size=100), max_size=3))
def test_it_gives_what_the_standard_library_gives(
    algorithm: str, key: bytes, texts: list[bytes]
) -> None:
    """For keys shorter and longer than a block, and one text after another."""
    keyed = Keyed(key, algorithm)

    assert [keyed.digest(text) for text in texts] == [
        hmac.digest(key, text, algorithm) for text in texts
    ]
