"""What a task is, without any I/O: states, parameters, registry, record, events, backoff."""
