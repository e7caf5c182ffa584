-- Take over tasks whose messages are to be sent again. ARGV: 2 ms for which they are the taker's,
--   3 how many at most
-- A running task needs no message as long as its lease is renewed; it is looked at again until it has
-- ended or waits for something.
local ids = redis.call('ZRANGEBYSCORE', P .. 'adrift', 0, NOW, 'LIMIT', 0, ARGV[3])
local taken = {}
for _, id in ipairs(ids) do
  local known = redis.call('HMGET', task_key(id), 'status', 'lease_ms')
  if not known[1] or TERMINAL[known[1]] or TOMBSTONES[known[1]] then
    redis.call('ZREM', P .. 'adrift', id)
  elseif known[1] == 'running' and tonumber(known[2] or 0) > NOW_MS then
    redis.call('ZADD', P .. 'adrift', int(NOW_MS + 5000), id)
  else
    redis.call('ZADD', P .. 'adrift', int(NOW_MS + ARGV[2]), id)
    taken[#taken + 1] = id
  end
end
return taken
