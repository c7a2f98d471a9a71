"""The life of a record and whose it is: identity, comparison, opening and closing as decisions. Pure."""
