"""One file per scenario; `tests.bench.__main__` lists them."""
