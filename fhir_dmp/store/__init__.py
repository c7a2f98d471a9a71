"""The store: its port, and its implementation on MongoDB."""
