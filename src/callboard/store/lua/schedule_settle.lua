-- Settle ticks of a schedule: make the task of one of them, or none, and note how far ticks are settled, in
-- one go. So a tick has its task exactly once, whoever dies when: either both are there or neither is.
-- Safe to repeat: `settled_by` tells a repeated call from one of another scheduler.
-- ARGV: 2 schedule, 3 token of the call, 4 its version and 5 its last tick as the caller knows them, 6 the tick
--       up to which all are settled now, 7 next tick or '', 8 ticks left out, 9 problem or '', 10 task id
--       or '', 11 type, 12 priority, 13 tags as JSON, 14… the record's other fields as name, value pairs
-- Returns settled, or moved: the schedule is gone, has changed, or another scheduler was faster
local id, key = ARGV[2], P .. 'schedule:' .. ARGV[2]
local known = redis.call('HMGET', key, 'version', 'last_tick', 'settled_by')
if known[3] == ARGV[3] then return 'settled' end
if known[1] ~= ARGV[4] or known[2] ~= ARGV[5] then return 'moved' end
redis.call('HSET', key, 'last_tick', ARGV[6], 'settled_by', ARGV[3])
if ARGV[7] == '' then
  redis.call('ZREM', P .. 'schedules:due', id)
else
  redis.call('ZADD', P .. 'schedules:due', ARGV[7], id)
end
if ARGV[8] ~= '0' then redis.call('HINCRBY', key, 'skipped', ARGV[8]) end
if ARGV[9] ~= '' then
  redis.call('HSET', key, 'problem', ARGV[9], 'problem_at', NOW)
elseif ARGV[10] ~= '' then
  create_record(ARGV[10], ARGV[11], ARGV[12], 'queued', '', ARGV[13], 14)
  redis.call('HSET', key, 'last_task_id', ARGV[10], 'last_run_at', NOW)
  redis.call('HINCRBY', key, 'runs', 1)
  redis.call('HDEL', key, 'problem', 'problem_at')
end
return 'settled'
