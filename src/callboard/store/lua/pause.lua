-- Start nothing more of a queue: every claim asks for it. ARGV: 2 queue. Returns since when, in ms
local key = P .. 'paused'
redis.call('HSETNX', key, ARGV[2], NOW)
redis.call('PUBLISH', P .. 'queue_changes', ARGV[2])
return redis.call('HGET', key, ARGV[2])
