-- Operations, newest first. ARGV: 2 index without prefix, 3 how many at most, 4… field names
-- Returns id, fields… of each
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', P .. ARGV[2], 0, ARGV[3] - 1)) do
  local row = redis.call('HMGET', P .. 'operation:' .. id, unpack(ARGV, 4))
  if row[1] then
    table.insert(row, 1, id)
    found[#found + 1] = row
  end
end
return found
