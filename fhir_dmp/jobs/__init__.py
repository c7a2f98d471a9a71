"""What the server does by itself at a date: the worker, and one module for each kind of job."""
