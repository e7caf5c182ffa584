-- ARGV: 2 id, 3 RESULT_TTL. Returns absent, or: done|asked|refused <status before>
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'task_type', 'priority', 'attempts', 'progress', 'stage')
local status = known[1]
if not status or TOMBSTONES[status] then return {'absent', ''} end
if TERMINAL[status] then return {'refused', status} end
if status == 'running' then
  redis.call('HSET', key, 'cancel_requested', 1)
  redis.call('PUBLISH', P .. 'cancel_requests', id)
  return {'asked', status}
end
redis.call('HSET', key, 'status', 'cancelled', 'finished_at', NOW)
redis.call('HDEL', key, 'started_at', 'worker') -- of an earlier attempt, which is in the history
redis.call('ZREM', P .. 'due', id)
move(id, known[2], known[3], status, 'cancelled')
change(id, 's', 'cancelled', known[4] or '0', known[5] or '0', known[6] or '')
keep(id, ARGV[3])
return {'done', status}
