-- Note running tasks whose worker and message are both gone: nobody renews the lease, nobody claims it.
-- ARGV: 2 ms for which this must have been so, 3 ms until the same task is noted again
-- What is left of a run in a paused queue has its message in RabbitMQ, where it waits.
-- It counts from when it is first seen here: after Redis itself was away all leases have ended long ago.
local found = 0
local function look(id)
  local key = task_key(id)
  local known = redis.call('HMGET', key, 'lease_ms', 'unclaimed_ms', 'queue')
  if tonumber(known[1] or NOW) >= NOW_MS or redis.call('HEXISTS', P .. 'paused', known[3] or '') == 1 then
    if known[2] then redis.call('HDEL', key, 'unclaimed_ms') end
  elseif not known[2] then
    redis.call('HSET', key, 'unclaimed_ms', NOW)
  elseif NOW_MS - known[2] > tonumber(ARGV[2]) then
    redis.call('ZADD', P .. 'adrift', 'NX', 0, id)
    redis.call('HSET', key, 'unclaimed_ms', int(NOW_MS + ARGV[3]))
    found = found + 1
  end
end
for _, task_type in ipairs(redis.call('SMEMBERS', P .. 'types')) do
  for _, priority in ipairs({'high', 'normal', 'low'}) do
    for _, id in ipairs(redis.call('ZRANGE', index(task_type, priority, 'running'), 0, 999)) do look(id) end
  end
end
return found
