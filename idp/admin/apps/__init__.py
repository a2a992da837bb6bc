"""How does a registration come to be, change and end? By hand, by file, by the app itself; planned, approved, kept."""
