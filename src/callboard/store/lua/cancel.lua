-- ARGV: 2 id, 3 RESULT_TTL. Returns absent, or: done|asked|refused <status before>
return cancel_task(ARGV[2], ARGV[3])
