"""What was done, by whom, and what proves that nothing of it changed? The trail, its seals, and how it leaves."""
