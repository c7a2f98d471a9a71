"""What the server tells in numbers: which of them, of what time, as a table and as a picture. Pure."""
