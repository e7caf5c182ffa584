-- Progress and log lines of a run that goes on. Returns ok, stale or cancel (asked to stop).
-- ARGV: 2 id, 3 run, 4 progress or '', 5 stage, 6 lines kept, 7 number of the first line within its run
--       or 0, 8… log lines: level, time in ms, message
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'run', 'attempts', 'cancel_requested', 'told')
if known[2] ~= ARGV[3] or known[1] ~= 'running' then return 'stale' end
local function add(level, at_ms, message)
  local version = redis.call('HINCRBY', key, 'version', 1)
  local line = '{"version":' .. version .. ',"at_ms":' .. at_ms .. ',"attempt":' .. known[3]
    .. ',"level":"' .. level .. '","message":' .. message .. '}'
  redis.call('RPUSH', key .. ':log', line)
  redis.call('HDEL', key, 'e:' .. (version - EVENTS_KEPT))
  local payload = '{"task_id":"' .. id .. '","kind":"log",' .. string.sub(line, 2)
  redis.call('PUBLISH', key .. ':updates', payload)
  redis.call('PUBLISH', P .. 'task_updates', payload)
end
if #ARGV >= 8 then
  -- Lines are counted within their run: some are here already when the answer to a write was lost.
  local run, told = string.match(known[5] or '', '^(%d+):(%d+)$')
  told = run == ARGV[3] and tonumber(told) or 0
  local first = tonumber(ARGV[7])
  if first == 0 then first = told + 1 end
  if first > told + 1 then
    add('WARNING', ARGV[9], cjson.encode(int(first - told - 1) .. ' lines came too fast and are not kept'))
  end
  for n = 8 + 3 * math.max(told + 1 - first, 0), #ARGV, 3 do add(ARGV[n], ARGV[n + 1], ARGV[n + 2]) end
  redis.call('LTRIM', key .. ':log', -ARGV[6], -1)
  redis.call('HSET', key, 'told', ARGV[3] .. ':' .. int(math.max(told, first - 1 + (#ARGV - 7) / 3)))
end
if ARGV[4] ~= '' then
  redis.call('HSET', key, 'progress', ARGV[4], 'stage', ARGV[5])
  change(id, 'p', 'running', known[3], ARGV[4], ARGV[5])
end
return known[4] and 'cancel' or 'ok'
