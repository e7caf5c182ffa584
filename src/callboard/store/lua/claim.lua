-- A worker asks whether it may run this message. One answer of:
--   run <run number> <attempt> <attempts allowed> <starts> <ms it waited> | skip <why> | busy <ms to wait>
--   early <ms until due> | poison <run number> <attempt> <starts> | cancelled <run number> <attempt>
--   paused (its queue is: nothing of it starts) | absent (ask again with 8 to 15, to rebuild the record)
-- ARGV: 2 id, 3 worker, 4 lease in ms, 5 starts allowed per attempt, 6 attempts over before this
--       message, 7 due time or '', 8 type or '', 9 priority, 10 queue, 11 parameters, 12 max_retries,
--       13 time limit in ms, 14 created at, 15 tags as JSON or '',
--       16 a token of this request: sent twice, it gets the answer of the first time; or '',
--       17 ms after a lease's end at which the end of its run is not waited for any more
local id, worker, attempt_before = ARGV[2], ARGV[3], tonumber(ARGV[6])
local key = task_key(id)
local function read()
  return redis.call('HMGET', key, 'status', 'run', 'attempts', 'task_type', 'priority', 'lease_ms',
    'starts', 'attempt_limit', 'cancel_requested', 'eta', 'worker', 'started_at', 'claim', 'queue', 'poison',
    'created_at', 'requeued_at')
end
local known = read()
if not known[1] then -- Redis was lost, or the message came from Python: the message is enough
  if redis.call('EXISTS', key .. ':gone') == 1 then return {'skip', 'cancelled'} end
  if ARGV[8] == '' then return {'absent'} end
  local tags = ARGV[15] ~= '' and ARGV[15] or nil
  local early = ARGV[7] ~= '' and tonumber(ARGV[7]) > NOW_MS
  local first = early and (ARGV[6] == '0' and 'scheduled' or 'retrying') or 'queued'
  redis.call('HSET', key, 'task_type', ARGV[8], 'priority', ARGV[9], 'status', first,
    'queue', ARGV[10], 'parameters', ARGV[11], 'max_retries', ARGV[12], 'time_limit_ms', ARGV[13],
    'created_at', ARGV[14], 'attempts', ARGV[6], 'attempt_limit', int(ARGV[12] + 1), 'version', 0)
  if tags then redis.call('HSET', key, 'tags', tags) end
  if early then
    redis.call('HSET', key, 'eta', ARGV[7])
    redis.call('ZADD', P .. 'due', ARGV[7], id)
  end
  add_indexes(id, ARGV[8], ARGV[9], first, tags)
  change(id, 's', first, ARGV[6], 0, '')
  known = read()
end
local status, attempts = known[1], tonumber(known[3] or 0)
if TERMINAL[status] or TOMBSTONES[status] then return {'skip', status} end
local repeated = status == 'running' and ARGV[16] ~= '' and known[13] == ARGV[16]
local ahead = attempt_before >= attempts
if repeated then
  ahead = false
elseif status == 'running' then
  if attempt_before + 1 < attempts then return {'skip', 'stale'} end
  local left = tonumber(known[6] or 0) - NOW_MS
  -- The next attempt's message may overtake the end of this one: a run sends it first, and Redis may be
  -- away before the end is recorded. It waits; unless nobody can be about to record that end any more.
  if ahead and left > -ARGV[17] then return {'busy', int(math.max(left, 1000))} end
  if left > 0 then return {'busy', int(left)} end
elseif attempt_before < attempts then
  return {'skip', 'stale'}
end
local due = tonumber(ARGV[7] ~= '' and ARGV[7] or 0)
if due > NOW_MS + 50 and not repeated then return {'early', int(due - NOW_MS)} end
-- A run that is to be recorded as cancelled below starts nothing.
local paused = redis.call('HEXISTS', P .. 'paused', known[14] or '') == 1
if paused and not repeated and not known[9] then return {'paused'} end

local run, starts = known[2], tonumber(known[7] or 1)
if not repeated then
  run = redis.call('HINCRBY', key, 'run', 1)
  if status == 'running' then
    starts = starts + 1
    local line = '{"attempt":' .. int(attempts) .. ',"status":"lost","started_at":' .. (known[12] or 'null')
      .. ',"finished_at":' .. NOW .. ',"error":{"type":"WorkerLost","message":"worker lost","traceback":null}'
      .. ',"worker":' .. cjson.encode(known[11] or '') .. '}\n'
    redis.call('HSET', key, 'history', (redis.call('HGET', key, 'history') or '') .. line)
  elseif status == 'scheduled' then
    move(id, known[4], known[5], status, 'queued')
    change(id, 's', 'queued', 0, 0, '')
    status = 'queued'
  end
  if ahead then
    attempts, starts = attempt_before + 1, 1
    if known[15] then redis.call('HDEL', key, 'poison') end
    known[15] = nil
    if known[10] then redis.call('ZREM', P .. 'due', id) end
  end
  redis.call('HSET', key, 'status', 'running', 'worker', worker, 'started_at', NOW,
    'attempts', int(attempts), 'starts', int(starts), 'claim', ARGV[16], 'lease_ms', int(NOW_MS + ARGV[4]),
    'progress', '0', 'stage', '')
  move(id, known[4], known[5], status, 'running')
  change(id, 's', 'running', int(attempts), 0, '', known[4], known[5])
end
-- Its worker died before it could stop the task: nobody starts it again.
if known[9] then return {'cancelled', int(run), int(attempts)} end
if known[15] or starts > tonumber(ARGV[5]) then return {'poison', int(run), int(attempts), int(starts - 1)} end
local waited = math.max(0, NOW_MS - ready_ms(known[16], known[10], known[17]))
return {'run', int(run), int(attempts), known[8] or '1', int(starts), int(waited)}
