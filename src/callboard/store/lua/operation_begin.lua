-- An operation begins: its tasks have been counted and their ids stand in its chunks. Safe to repeat.
-- ARGV: 2 id, 3 action, 4 filter as JSON, 5 states its tasks may be in, as s1,s2 or '', 6 tasks, 7 chunks,
--       8 record's life in s, 9 operations that may run at the same time, 10 listed at most
-- Returns begun, or full
local id, key = ARGV[2], P .. 'operation:' .. ARGV[2]
if redis.call('EXISTS', key) == 1 then return 'begun' end
local running = P .. 'operations:running'
local any = tonumber(ARGV[6]) > 0
if any then
  for _, each in ipairs(redis.call('ZRANGE', running, 0, -1)) do
    if redis.call('EXISTS', P .. 'operation:' .. each) == 0 then redis.call('ZREM', running, each) end
  end
  if redis.call('ZCARD', running) >= tonumber(ARGV[9]) then return 'full' end
end
redis.call('HSET', key, 'action', ARGV[3], 'filter', ARGV[4], 'states', ARGV[5], 'matched', ARGV[6],
  'left', ARGV[7], 'done', 0, 'changed', 0, 'refused', 0, 'created_at', NOW,
  'status', any and 'running' or 'finished')
redis.call('EXPIRE', key, ARGV[8])
redis.call('ZADD', P .. 'operations', 0, id)
redis.call('ZREMRANGEBYRANK', P .. 'operations', 0, -1 - ARGV[10])
if any then
  redis.call('ZADD', running, 0, id)
  redis.call('EXPIRE', key .. ':chunks', ARGV[8])
else
  redis.call('HSET', key, 'finished_at', NOW)
end
return 'begun'
