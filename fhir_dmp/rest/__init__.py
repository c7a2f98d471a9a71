"""HTTP: the only package that knows of requests, status codes and headers."""
