"""A school of invented pupils and a small relying party, to try everything on one machine."""
