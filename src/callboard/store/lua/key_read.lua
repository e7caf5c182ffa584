-- Read an API key; when it is used, note that. Web processes ask once a minute for a key in use.
-- ARGV: 2 id, 3 whether it is used (1, 0)
local key = P .. 'api_key:' .. ARGV[2]
local found = redis.call('HGETALL', key)
if #found > 0 and ARGV[3] == '1' then redis.call('HSET', key, 'last_used', NOW) end
return found
