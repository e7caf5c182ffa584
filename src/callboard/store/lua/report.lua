-- Progress and log lines of a run that goes on. Returns ok, stale or cancel (asked to stop).
-- ARGV: 2 id, 3 run, 4 progress or '', 5 stage, 6 lines kept, 7… log lines: level, time in ms, message
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'run', 'attempts', 'cancel_requested')
if known[2] ~= ARGV[3] or known[1] ~= 'running' then return 'stale' end
for n = 7, #ARGV, 3 do
  local version = redis.call('HINCRBY', key, 'version', 1)
  local line = '{"version":' .. version .. ',"at_ms":' .. ARGV[n + 1] .. ',"attempt":' .. known[3]
    .. ',"level":"' .. ARGV[n] .. '","message":' .. ARGV[n + 2] .. '}'
  redis.call('RPUSH', key .. ':log', line)
  redis.call('HDEL', key, 'e:' .. (version - EVENTS_KEPT))
  local payload = '{"task_id":"' .. id .. '","kind":"log",' .. string.sub(line, 2)
  redis.call('PUBLISH', key .. ':updates', payload)
  redis.call('PUBLISH', P .. 'task_updates', payload)
end
if #ARGV >= 7 then redis.call('LTRIM', key .. ':log', -ARGV[6], -1) end
if ARGV[4] ~= '' then
  redis.call('HSET', key, 'progress', ARGV[4], 'stage', ARGV[5])
  change(id, 'p', 'running', known[3], ARGV[4], ARGV[5])
end
return known[4] and 'cancel' or 'ok'
