-- Schedules with the state of the task that ran last.
-- ARGV: 2 all | due | one | troubled, 3 '' | up to which time, ms | id | '',
--   4 how many at most, 5… field names; the first of them is `last_task_id`
-- Returns id, next tick or '', state or '', fields… of each, the oldest or the longest due first
local ids
if ARGV[2] == 'due' then
  ids = redis.call('ZRANGEBYSCORE', P .. 'schedules:due', '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
elseif ARGV[2] == 'troubled' then
  ids = {}
  for _, id in ipairs(redis.call('ZRANGE', P .. 'schedules', 0, -1)) do
    if #ids < tonumber(ARGV[4]) and redis.call('HEXISTS', P .. 'schedule:' .. id, 'problem') == 1 then
      ids[#ids + 1] = id
    end
  end
elseif ARGV[2] == 'all' then
  ids = redis.call('ZRANGE', P .. 'schedules', 0, ARGV[4] - 1)
else
  ids = {ARGV[3]}
end
local found = {}
for _, id in ipairs(ids) do
  local row = redis.call('HMGET', P .. 'schedule:' .. id, unpack(ARGV, 5))
  if redis.call('EXISTS', P .. 'schedule:' .. id) == 1 then
    local status = row[1] and redis.call('HGET', task_key(row[1]), 'status')
    table.insert(row, 1, status and not TOMBSTONES[status] and status or '')
    local due = redis.call('ZSCORE', P .. 'schedules:due', id)
    table.insert(row, 1, due and int(due) or '')
    table.insert(row, 1, id)
    found[#found + 1] = row
  end
end
return found
