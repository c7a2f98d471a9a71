"""The web pages: `/`, and the documentation as HTML. Nothing of a record is in them, and they need no script."""
