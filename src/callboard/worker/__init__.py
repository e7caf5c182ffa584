"""One run of a task in a worker process: claim, run, finish or retry, then the ack."""
