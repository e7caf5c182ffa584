-- A worker's heartbeat: its own entry and the leases of what it runs.
-- ARGV: 2 worker, 3 entry's life in s, 4 lease in ms, 5 number of fields n, then n name/value pairs,
--       then id, run pairs. Returns one of ok, stale, cancel for each pair.
local worker, lease, fields = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local key = P .. 'worker:' .. worker
local first = 6 + 2 * fields
redis.call('HSET', key, 'last_heartbeat', NOW, unpack(ARGV, 6, first - 1))
redis.call('EXPIRE', key, ARGV[3])
redis.call('ZADD', P .. 'workers', NOW, worker)
local answers = {}
for n = first, #ARGV, 2 do
  local task = task_key(ARGV[n])
  local known = redis.call('HMGET', task, 'status', 'run', 'cancel_requested')
  if known[2] ~= ARGV[n + 1] or known[1] ~= 'running' then
    answers[#answers + 1] = 'stale'
  else
    redis.call('HSET', task, 'lease_ms', int(NOW_MS + lease))
    answers[#answers + 1] = known[3] and 'cancel' or 'ok'
  end
end
return answers
