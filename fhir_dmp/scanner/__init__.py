"""What looks for harmful content in what is deposited: a port, and the client of a clamd."""
