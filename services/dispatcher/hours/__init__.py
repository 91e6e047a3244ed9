"""Clocks on walls: zones, quiet hours, calendars and public holidays."""
