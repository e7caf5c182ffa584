"""Records in Redis: scripts written once, run by a sync and an async executor."""
