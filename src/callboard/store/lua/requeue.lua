-- Run a failed or cancelled task again under its id. ARGV: 2 id
-- Returns absent, or: queued|refused <status before>
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'task_type', 'priority', 'attempts', 'max_retries',
  'started_at', 'finished_at', 'error', 'worker')
local status, attempts = known[1], tonumber(known[4] or 0)
if not status or TOMBSTONES[status] then return {'absent', ''} end
if status ~= 'failed' and status ~= 'cancelled' then return {'refused', status} end
if known[6] then -- the ended attempt moves into the history
  local line = '{"attempt":' .. int(attempts) .. ',"status":"' .. status .. '","started_at":' .. known[6]
    .. ',"finished_at":' .. (known[7] or 'null') .. ',"error":' .. (known[8] or 'null') .. ',"worker":'
    .. cjson.encode(known[9] or '') .. '}\n'
  redis.call('HSET', key, 'history', (redis.call('HGET', key, 'history') or '') .. line)
end
redis.call('HSET', key, 'status', 'queued', 'progress', '0', 'stage', '',
  'attempt_limit', int(attempts + tonumber(known[5] or 0) + 1))
redis.call('HDEL', key, 'finished_at', 'started_at', 'error', 'result', 'eta', 'worker', 'cancel_requested')
redis.call('PERSIST', key)
redis.call('PERSIST', key .. ':log')
redis.call('ZADD', P .. 'outbox', NOW, id)
move(id, known[2], known[3], status, 'queued')
change(id, 's', 'queued', int(attempts), 0, '')
return {'queued', status}
