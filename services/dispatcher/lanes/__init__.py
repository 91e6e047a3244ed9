"""One loop per target: due work is claimed, called and written down."""
