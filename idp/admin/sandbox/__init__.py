"""What is the sandbox, who is in it, and what can one let happen there?"""
