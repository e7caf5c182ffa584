-- Settle ticks of a schedule: make the task of one of them, or none, and note how far ticks are settled, in
-- one go. So a tick has its task exactly once, whoever dies when: either both are there or neither is.
-- ARGV: 2 schedule, 3 its version and 4 its last tick as the caller knows them, 5 the tick up to which all are
--       settled now, 6 next tick or '', 7 ticks left out, 8 problem or '', 9 task id or '', 10 type,
--       11 priority, 12 tags as JSON, 13… the record's other fields as name, value pairs
-- Returns settled, or moved: the schedule is gone, has changed, or another scheduler was faster
local id, key = ARGV[2], P .. 'schedule:' .. ARGV[2]
local known = redis.call('HMGET', key, 'version', 'last_tick', 'last_task_id')
if ARGV[9] ~= '' and known[3] == ARGV[9] and known[2] == ARGV[5] then return 'settled' end -- asked again
if known[1] ~= ARGV[3] or known[2] ~= ARGV[4] then return 'moved' end
redis.call('HSET', key, 'last_tick', ARGV[5])
if ARGV[6] == '' then
  redis.call('ZREM', P .. 'schedules:due', id)
else
  redis.call('ZADD', P .. 'schedules:due', ARGV[6], id)
end
if ARGV[7] ~= '0' then redis.call('HINCRBY', key, 'skipped', ARGV[7]) end
if ARGV[8] ~= '' then
  redis.call('HSET', key, 'problem', ARGV[8], 'problem_at', NOW)
elseif ARGV[9] ~= '' then
  create_record(ARGV[9], ARGV[10], ARGV[11], 'queued', '', ARGV[12], 13)
  redis.call('HSET', key, 'last_task_id', ARGV[9], 'last_run_at', NOW)
  redis.call('HINCRBY', key, 'runs', 1)
  redis.call('HDEL', key, 'problem', 'problem_at')
end
return 'settled'
