"""The store on MongoDB, and the MongoDB a server brings along when none is configured."""
