"""The conformance worker: `python -m muster_worker.conformance`. Its handler obeys a header."""
