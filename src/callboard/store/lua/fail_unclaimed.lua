-- No worker could start this message (unknown task type): the task fails. ARGV: 2 id, 3 error, 4 ttl
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'task_type', 'priority', 'attempts')
if known[1] == 'scheduled' or known[1] == 'retrying' then
  move(id, known[2], known[3], known[1], 'queued')
  change(id, 's', 'queued', known[4] or '0', 0, '')
  known[1] = 'queued'
end
if known[1] ~= 'queued' then return 'stale' end
redis.call('HSET', key, 'status', 'failed', 'error', ARGV[3], 'finished_at', NOW)
redis.call('HDEL', key, 'started_at', 'worker') -- of an earlier attempt, which is in the history
redis.call('ZREM', P .. 'due', id)
move(id, known[2], known[3], known[1], 'failed')
change(id, 's', 'failed', known[4] or '0', 0, '')
keep(id, ARGV[4])
return 'recorded'
