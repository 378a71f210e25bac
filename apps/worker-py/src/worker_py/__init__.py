"""The order worker in Python."""
