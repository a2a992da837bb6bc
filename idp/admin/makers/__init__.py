"""What does the maker of an app see and do? Suppliers, their pages, their feed of changes and their sandbox."""
