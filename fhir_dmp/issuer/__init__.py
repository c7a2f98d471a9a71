"""The local authorisation server: tokens for the demo and the tests. In production, issuers are others."""
