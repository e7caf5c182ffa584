-- Take over messages that nobody has confirmed for a while. ARGV: 2 age in ms, 3 how many at most
-- Taken entries count as new, so that no other process takes them at the same time. A task that
-- does not wait for a worker shows that its message arrived: the one who published it has died since.
local ids = redis.call('ZRANGEBYSCORE', P .. 'outbox', 0, int(NOW_MS - ARGV[2]), 'LIMIT', 0, ARGV[3])
local taken = {}
for _, id in ipairs(ids) do
  local known = redis.call('HMGET', task_key(id), 'status', 'idem')
  local status = known[1]
  if status == 'queued' or status == 'scheduled' then
    redis.call('ZADD', P .. 'outbox', NOW, id)
    taken[#taken + 1] = id
  else
    redis.call('ZREM', P .. 'outbox', id)
    settle_key(id, known[2])
  end
end
return taken
