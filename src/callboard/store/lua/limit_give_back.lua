-- Give back what was taken and not used: tasks of today, requests of the bucket (which never holds more than
-- its size: limit_take.lua sees to that).
-- ARGV: 2 key's id, 3 tasks, 4 requests
local bucket = P .. 'limit:' .. ARGV[2]
if tonumber(ARGV[4]) > 0 and redis.call('EXISTS', bucket) == 1 then
  redis.call('HINCRBYFLOAT', bucket, 'held', ARGV[4])
end
local today = P .. 'quota:' .. ARGV[2] .. ':' .. int(math.floor(NOW_MS / 86400000))
if redis.call('EXISTS', today) == 0 then return 0 end
local used = redis.call('DECRBY', today, ARGV[3])
if used < 0 then redis.call('INCRBY', today, -used) end
return used
