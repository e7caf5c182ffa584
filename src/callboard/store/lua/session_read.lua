-- Read a session with its key; when it is used it lives on, but not beyond its end.
-- ARGV: 2 digest of its cookie, 3 seconds it lives unused, 4 whether it is used (1, 0)
local key = P .. 'session:' .. ARGV[2]
local found = redis.call('HGETALL', key)
if #found == 0 then return {{}, {}} end
local known = redis.call('HMGET', key, 'key_digest', 'ends_at')
local left = math.ceil((tonumber(known[2]) - NOW_MS) / 1000)
if left <= 0 then
  redis.call('DEL', key)
  return {{}, {}}
end
if ARGV[4] == '1' then redis.call('EXPIRE', key, int(math.min(tonumber(ARGV[3]), left))) end
local api_key = P .. 'api_key:' .. string.sub(known[1], 1, 16)
local fields = redis.call('HGETALL', api_key)
if #fields > 0 and ARGV[4] == '1' then redis.call('HSET', api_key, 'last_used', NOW) end
return {found, fields}
