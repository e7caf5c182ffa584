"""dramatiq-dashboard over Callboard's records: its pages, our data (docs/decisions/0007)."""
