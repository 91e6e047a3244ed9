"""From the bus: decisions and outcomes become recipients, planned deliveries and wanted states."""
