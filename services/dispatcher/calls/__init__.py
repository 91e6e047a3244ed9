"""What a lane asks of a platform, and what its answer makes of a delivery."""
