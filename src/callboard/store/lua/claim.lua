-- A worker asks whether it may run this message. One answer of:
--   run <run number> <attempt> <attempts allowed> | skip <why> | busy <ms until the lease ends>
--   early <ms until due> | poison <starts> | absent (ask again with 8 to 15, to rebuild the record)
-- ARGV: 2 id, 3 worker, 4 lease in ms, 5 starts allowed per attempt, 6 attempts over before this
--       message, 7 due time or '', 8 type or '', 9 priority, 10 queue, 11 parameters, 12 max_retries,
--       13 time limit in ms, 14 created at, 15 tags as JSON or '',
--       16 a token of this request: sent twice, it gets the answer of the first time; or ''
local id, worker, attempt_before = ARGV[2], ARGV[3], tonumber(ARGV[6])
local key = task_key(id)
local function read()
  return redis.call('HMGET', key, 'status', 'run', 'attempts', 'task_type', 'priority', 'lease_ms',
    'starts', 'attempt_limit', 'cancel_requested', 'eta', 'worker', 'started_at', 'claim')
end
local known = read()
if not known[1] then -- Redis was lost, or the message came from Python: the message is enough
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
if status == 'running' then
  if attempts ~= attempt_before + 1 then return {'skip', 'stale'} end
  if ARGV[16] ~= '' and known[13] == ARGV[16] then
    return {'run', known[2], int(attempts), known[8] or '1', known[9] and '1' or '0'}
  end
  local left = tonumber(known[6] or 0) - NOW_MS
  if left > 0 then return {'busy', int(left)} end
elseif attempts ~= attempt_before then
  return {'skip', 'stale'}
end
local due = tonumber(ARGV[7] ~= '' and ARGV[7] or 0)
if due > NOW_MS + 50 then return {'early', int(due - NOW_MS)} end

local run = redis.call('HINCRBY', key, 'run', 1)
local starts = 1
if status == 'running' then
  starts = tonumber(known[7] or 1) + 1
  local line = '{"attempt":' .. int(attempts) .. ',"status":"lost","started_at":' .. (known[12] or 'null')
    .. ',"finished_at":' .. NOW .. ',"error":{"type":"WorkerLost","message":"worker lost","traceback":null}'
    .. ',"worker":' .. cjson.encode(known[11] or '') .. '}\n'
  redis.call('HSET', key, 'history', (redis.call('HGET', key, 'history') or '') .. line)
else
  attempts = attempts + 1
  if status == 'scheduled' then
    move(id, known[4], known[5], status, 'queued')
    change(id, 's', 'queued', 0, 0, '')
    status = 'queued'
  end
  redis.call('ZREM', P .. 'due', id)
end
redis.call('HSET', key, 'status', 'running', 'worker', worker, 'started_at', NOW, 'attempts', int(attempts),
  'starts', int(starts), 'claim', ARGV[16], 'lease_ms', int(NOW_MS + ARGV[4]), 'progress', '0', 'stage', '')
move(id, known[4], known[5], status, 'running')
change(id, 's', 'running', int(attempts), 0, '')
if starts > tonumber(ARGV[5]) then return {'poison', int(run), int(attempts), int(starts - 1)} end
return {'run', int(run), int(attempts), known[8] or '1', known[9] and '1' or '0'}
