-- Forget a session; `access_version` makes every web process look again within a second.
-- ARGV: 2 digest of its cookie
local found = redis.call('DEL', P .. 'session:' .. ARGV[2])
redis.call('INCR', P .. 'access_version')
return found
