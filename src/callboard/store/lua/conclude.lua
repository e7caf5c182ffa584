-- End a run: succeeded, failed, cancelled, or retrying (runs again at a due time).
-- Answers 'recorded', or 'cancelled' when it was asked to stop and is not tried again.
-- Refused as 'stale' when another run has taken over, 'repeated' when this one was recorded before,
-- 'absent' when Redis was lost and has no record.
-- ARGV: 2 id, 3 run, 4 outcome, 5 result JSON or '', 6 error JSON or '', 7 due time or '',
--       8 RESULT_TTL in seconds, 9 last progress or '', 10 last stage, 11 '1' if the attempt is free
local id, run, outcome = ARGV[2], ARGV[3], ARGV[4]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'run', 'attempts', 'task_type', 'priority',
  'started_at', 'created_at', 'eta', 'worker', 'progress', 'stage', 'concluded', 'cancel_requested',
  'requeued_at')
if not known[1] then return 'absent' end
if known[12] == run then return 'repeated' end
if known[2] ~= run or known[1] ~= 'running' then return 'stale' end
local task_type, attempts = known[4], known[3]
local progress = ARGV[9] ~= '' and ARGV[9] or known[10] or '0'
local stage = ARGV[9] ~= '' and ARGV[10] or known[11] or ''
if outcome == 'succeeded' then progress = '1' end
-- Asked to stop, it failed by itself before it heard of it: it is not tried again.
if outcome == 'retrying' and known[13] then
  outcome = 'cancelled'
  bury(id, ARGV[8], ARGV[7])
end
-- The first write is one that a full Redis refuses, so that nothing is half done then.
if outcome == 'retrying' then
  local line = '{"attempt":' .. attempts .. ',"status":"retrying","started_at":' .. known[6] .. ',"finished_at":'
    .. NOW .. ',"error":' .. (ARGV[6] ~= '' and ARGV[6] or 'null') .. ',"worker":'
    .. cjson.encode(known[9] or '') .. '}\n'
  local history = (redis.call('HGET', key, 'history') or '') .. line
  while #history > 65536 do -- the oldest go first
    local cut = string.find(history, '\n', 1, true)
    if not cut or cut == #history then break end
    history = string.sub(history, cut + 1)
  end
  redis.call('HSET', key, 'status', outcome, 'progress', progress, 'stage', stage, 'concluded', run,
    'history', history, 'eta', ARGV[7])
  if ARGV[11] == '1' then redis.call('HINCRBY', key, 'attempt_limit', 1) end
  if ARGV[6] ~= '' then redis.call('HSET', key, 'error', ARGV[6]) end
  redis.call('ZADD', P .. 'due', ARGV[7], id)
else
  local field, value = 'finished_at', NOW -- or what it came to
  if outcome == 'succeeded' then
    field, value = 'result', ARGV[5]
  elseif ARGV[6] ~= '' then
    field, value = 'error', ARGV[6]
  end
  redis.call('HSET', key, 'status', outcome, 'progress', progress, 'stage', stage, 'concluded', run,
    'finished_at', NOW, field, value)
  keep(id, ARGV[8])
end
redis.call('HDEL', key, 'lease_ms', 'starts', 'claim', 'unclaimed_ms', 'cancel_requested', 'poison', 'told',
  outcome == 'succeeded' and 'error' or 'told')
move(id, task_type, known[5], 'running', outcome)
change(id, 's', outcome, attempts, progress, stage, task_type, known[5])

-- Per-minute statistics: counts, and histograms whose bucket n holds times below 2^(n/2) ms.
local function bucket(ms) return int(math.ceil(2 * math.log(math.max(ms, 1)) / math.log(2))) end
local stats = P .. 'stats:' .. int(math.floor(NOW_MS / 60000))
local number = redis.call('HINCRBY', stats, task_type .. '|' .. outcome, 1)
if number == 1 then redis.call('EXPIRE', stats, 90000) end
redis.call('HINCRBY', stats, task_type .. '|run|' .. bucket(NOW_MS - known[6]), 1)
local waited = known[6] - ready_ms(known[7], known[8], known[14])
redis.call('HINCRBY', stats, task_type .. '|wait|' .. bucket(waited), 1)
return outcome == ARGV[4] and 'recorded' or 'cancelled'
