-- Run a failed or cancelled task again under its id. ARGV: 2 id
-- Returns absent, or: queued|refused <status before>
return requeue_task(ARGV[2])
