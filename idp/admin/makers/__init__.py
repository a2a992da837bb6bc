"""What does the maker of an app see and do? Suppliers, their pages and their feed of changes."""
