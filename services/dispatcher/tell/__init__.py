"""What others are told: outcomes on the bus, notices and heartbeats in chats."""
