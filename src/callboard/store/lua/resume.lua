-- Start a queue's tasks again. ARGV: 2 queue. Returns 1 if it was paused
local was = redis.call('HDEL', P .. 'paused', ARGV[2])
redis.call('PUBLISH', P .. 'queue_changes', ARGV[2])
return was
