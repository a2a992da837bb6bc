"""What do we owe to whom the data are about? Extracts, breach reports, the register, and what may not be kept."""
