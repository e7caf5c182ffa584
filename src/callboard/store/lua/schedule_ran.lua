-- Somebody ran a schedule by hand. ARGV: 2 schedule, 3 task id
local key = P .. 'schedule:' .. ARGV[2]
if redis.call('EXISTS', key) == 1 and redis.call('HGET', key, 'last_task_id') ~= ARGV[3] then
  redis.call('HSET', key, 'last_task_id', ARGV[3], 'last_run_at', NOW)
  redis.call('HINCRBY', key, 'runs', 1)
end
return 'ok'
