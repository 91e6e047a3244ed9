"""POST /v1/events: what a CRM, a shop or a platform tells as CloudEvents."""
