"""What the product promises, as journeys through all services on real Kafka and PostgreSQL."""
