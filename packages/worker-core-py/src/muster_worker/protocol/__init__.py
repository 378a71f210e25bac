"""The rules of the protocol as plain functions: what the shared test vectors prove."""
