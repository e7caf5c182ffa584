-- What people do to one task. Put before cancel, requeue, forget and operation_step, which does it to many.

-- Returns absent, or: done|asked|refused <status before>
local function cancel_task(id, ttl_s)
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
  keep(id, ttl_s)
  bury(id, ttl_s)
  return {'done', status}
end

-- Returns absent, or: queued|refused <status before>
local function requeue_task(id)
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
  redis.call('HSET', key, 'status', 'queued', 'progress', '0', 'stage', '', 'requeued_at', NOW,
    'attempt_limit', int(attempts + tonumber(known[5] or 0) + 1))
  redis.call('HDEL', key, 'finished_at', 'started_at', 'error', 'result', 'eta', 'worker', 'cancel_requested')
  redis.call('PERSIST', key)
  redis.call('PERSIST', key .. ':log')
  redis.call('DEL', key .. ':gone')
  redis.call('ZADD', P .. 'outbox', NOW, id)
  move(id, known[2], known[3], status, 'queued')
  redis.call('HSET', key, 'requeued_version', change(id, 's', 'queued', int(attempts), 0, ''))
  return {'queued', status}
end

-- Returns absent, or: deleted|refused <status before>
local function forget_task(id, tombstone_ttl_s)
  local key = task_key(id)
  local known = redis.call('HMGET', key, 'status', 'task_type', 'priority', 'tags')
  if not known[1] or TOMBSTONES[known[1]] then return {'absent', ''} end
  if not TERMINAL[known[1]] then return {'refused', known[1]} end
  local life = math.max(message_life(id), tonumber(tombstone_ttl_s))
  unindex(id, known[2], known[3], known[1], known[4])
  redis.call('DEL', key, key .. ':log')
  redis.call('HSET', key, 'status', 'deleted')
  redis.call('EXPIRE', key, int(life))
  return {'deleted', known[1]}
end
