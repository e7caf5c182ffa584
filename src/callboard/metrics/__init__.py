"""What Prometheus is told: every metric is listed in catalogue.py; docs/metrics.md says the same."""
