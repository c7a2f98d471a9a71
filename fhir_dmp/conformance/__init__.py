"""What a resource has to be beyond its structure: invariants, bindings and profiles. Pure; finds, never fetches."""
