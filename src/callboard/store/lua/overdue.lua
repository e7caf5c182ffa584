-- Take over tasks whose delay was over a while ago and that are still queued: RabbitMQ may keep their messages.
-- ARGV: 2 ms for which they are the taker's, 3 how many at most
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'overdue', 0, NOW, 'LIMIT', 0, ARGV[3])) do
  if redis.call('HGET', task_key(id), 'status') == 'queued' then
    redis.call('ZADD', P .. 'overdue', int(NOW_MS + ARGV[2]), id)
    taken[#taken + 1] = id
  else
    redis.call('ZREM', P .. 'overdue', id)
  end
end
return taken
