"""One reading of each customer, kept up to date for the figures and for data quality."""
