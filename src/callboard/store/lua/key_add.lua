-- Keep an API key and list it. Safe to repeat: the same key again answers 1.
-- ARGV: 2 id, 3… fields as name, value pairs; `digest` is the first of them
local key = P .. 'api_key:' .. ARGV[2]
local known = redis.call('HGET', key, 'digest')
if known then return known == ARGV[4] and 1 or 0 end
redis.call('HSET', key, unpack(ARGV, 3))
redis.call('ZADD', P .. 'api_keys', NOW, ARGV[2])
redis.call('INCR', P .. 'access_version')
return 1
