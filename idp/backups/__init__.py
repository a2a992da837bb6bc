"""How does an installation get into one sealed file, and out of it again?

`box` seals files, `dump` is the database as a file, `making` and `restoring` are the two directions, `taken_back` does
again what the restored database forgot.
"""
