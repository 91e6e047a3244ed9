"""Whether a delivery is still right, asked again at the moment of sending."""
