"""What can a program of an operator do? The REST API: its frame, its description, its tokens and its operations."""
