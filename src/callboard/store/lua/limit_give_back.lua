-- Give back tasks of today that were not accepted.
-- ARGV: 2 key's id, 3 tasks
local today = P .. 'quota:' .. ARGV[2] .. ':' .. int(math.floor(NOW_MS / 86400000))
if redis.call('EXISTS', today) == 0 then return 0 end
local used = redis.call('DECRBY', today, ARGV[3])
if used < 0 then redis.call('INCRBY', today, -used) end
return used
