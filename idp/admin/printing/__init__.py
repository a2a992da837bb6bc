"""What does a school get in its hands? Cards, lists, stickers and workbooks, made in memory, once."""
