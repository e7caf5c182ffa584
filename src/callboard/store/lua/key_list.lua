-- Read all API keys, the newest first.
-- ARGV: 2 how many at most
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', P .. 'api_keys', 0, ARGV[2] - 1)) do
  local fields = redis.call('HGETALL', P .. 'api_key:' .. id)
  if #fields > 0 then found[#found + 1] = {id, fields} end
end
return found
