-- Make or change a schedule. Safe to repeat: `saved_by` tells a repeated call from another one.
-- ARGV: 2 id, 3 token of the call, 4 'new', or the version it must have, 5 schedules at most,
--       6 ms up to which ticks are settled or '' to leave that (it goes back only by more than a day: then a clock
--       was wrong that noted it), 7 next tick, '' for none, '=' to leave it,
--       8… fields as name, value pairs
-- Returns saved, absent, stale (another version), or full
local id, key = ARGV[2], P .. 'schedule:' .. ARGV[2]
local known = redis.call('HMGET', key, 'version', 'saved_by', 'last_tick')
if known[2] == ARGV[3] then return 'saved' end
if ARGV[4] == 'new' then
  if redis.call('ZCARD', P .. 'schedules') >= tonumber(ARGV[5]) then return 'full' end
  redis.call('HSET', key, 'created_at', NOW)
  redis.call('ZADD', P .. 'schedules', 0, id)
elseif not known[1] then
  return 'absent'
elseif ARGV[4] ~= known[1] then
  return 'stale'
end
redis.call('HSET', key, 'updated_at', NOW, 'saved_by', ARGV[3], unpack(ARGV, 8))
redis.call('HINCRBY', key, 'version', 1)
redis.call('HDEL', key, 'problem', 'problem_at')
if ARGV[6] ~= '' then
  local ahead = tonumber(known[3] or -1) - tonumber(ARGV[6])
  if ahead < 0 or ahead > 86400000 then redis.call('HSET', key, 'last_tick', ARGV[6]) end
end
if ARGV[7] ~= '=' then
  if ARGV[7] == '' then
    redis.call('ZREM', P .. 'schedules:due', id)
  else
    redis.call('ZADD', P .. 'schedules:due', ARGV[7], id)
  end
end
return 'saved'
