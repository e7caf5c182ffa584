-- A run in a process of its own has killed that process: no other worker starts it again, even if this one
-- cannot record the end. ARGV: 2 id, 3 run
local key = task_key(ARGV[2])
local known = redis.call('HMGET', key, 'status', 'run')
if known[1] ~= 'running' or known[2] ~= ARGV[3] then return 'stale' end
redis.call('HSET', key, 'poison', 1)
return 'ok'
