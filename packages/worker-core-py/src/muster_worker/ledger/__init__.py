"""One row per group and event id, `done` or `dead`: it makes an effect happen once."""
