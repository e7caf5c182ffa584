-- Scheduled and retrying tasks whose time has come show as queued. ARGV: 2 how many at most,
--   3 ms after which to look whether RabbitMQ has handed them out, or ''
local ids = redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', NOW, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local key = task_key(id)
  local known = redis.call('HMGET', key, 'status', 'task_type', 'priority', 'attempts', 'progress', 'stage')
  redis.call('ZREM', P .. 'due', id)
  if known[1] == 'scheduled' or known[1] == 'retrying' then
    redis.call('HSET', key, 'status', 'queued')
    move(id, known[2], known[3], known[1], 'queued')
    if ARGV[3] ~= '' then redis.call('ZADD', P .. 'overdue', int(NOW_MS + ARGV[3]), id) end
    change(id, 's', 'queued', known[4] or '0', known[5] or '0', known[6] or '')
  end
end
return #ids
