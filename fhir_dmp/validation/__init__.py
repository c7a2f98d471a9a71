"""What makes a resource right: definitions compiled to a tree of small rules. Pure; finds, never fetches."""
