-- Keep a session of a browser. Safe to repeat.
-- ARGV: 2 digest of its cookie, 3 seconds it lives unused, 4… fields as name, value pairs
local key = P .. 'session:' .. ARGV[2]
redis.call('HSET', key, unpack(ARGV, 4))
redis.call('EXPIRE', key, ARGV[3])
return 1
