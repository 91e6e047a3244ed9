"""What the product costs and how quick it is, each figure beside a bare limit of the same run."""
