"""The past from a file: `nps import` and the routes behind it."""
