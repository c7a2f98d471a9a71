"""Authentication: bearer token and client certificate → Requester."""
