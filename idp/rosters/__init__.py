"""Which lists may an app read by itself? OneRoster 1.2 for relying parties, behind the same gates as every claim."""
