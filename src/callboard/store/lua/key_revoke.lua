-- Forget an API key: `access_version` makes every web process look again within a second. Its sessions end
-- with it, because each of them is read together with its key.
-- ARGV: 2 id
local key = P .. 'api_key:' .. ARGV[2]
local found = redis.call('HGETALL', key)
redis.call('DEL', key, P .. 'limit:' .. ARGV[2])
redis.call('ZREM', P .. 'api_keys', ARGV[2])
redis.call('INCR', P .. 'access_version')
return found
