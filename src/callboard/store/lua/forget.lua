-- Delete a finished task. A tombstone keeps a late copy of its message from running it again.
-- ARGV: 2 id, 3 tombstone's life in s. Returns absent, or: deleted|refused <status before>
return forget_task(ARGV[2], ARGV[3])
