"""What did a school agree to share, by which text, and what arrives for it?"""
