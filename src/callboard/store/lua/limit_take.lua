-- Take requests out of a key's bucket, which fills evenly, and tasks out of its day; both or nothing.
-- Repeated after a lost answer, a request counts twice: that is a little too strict, and never too lax.
-- ARGV: 2 key's id, 3 size of the bucket (0: no rate), 4 ms in which it fills, 5 requests,
--       6 tasks of a day (0: no quota), 7 tasks
local size, window_ms, requests = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local quota, tasks = tonumber(ARGV[6]), tonumber(ARGV[7])
local bucket = P .. 'limit:' .. ARGV[2]
local day = math.floor(NOW_MS / 86400000)
local today = P .. 'quota:' .. ARGV[2] .. ':' .. int(day)
local day_ends_ms = (day + 1) * 86400000 - NOW_MS

local held, used, refused = 0, 0, ''
if size > 0 then
  local known = redis.call('HMGET', bucket, 'held', 'at_ms')
  held = size
  if known[1] then
    held = math.min(size, tonumber(known[1]) + math.max(0, NOW_MS - tonumber(known[2])) * size / window_ms)
  end
  if held < requests then refused = 'rate' end
end
if quota > 0 then
  used = tonumber(redis.call('GET', today) or 0)
  if refused == '' and tasks > 0 and used + tasks > quota then refused = 'quota' end
end
if refused == '' then
  if size > 0 and requests > 0 then
    held = held - requests
    redis.call('HSET', bucket, 'held', string.format('%.6f', held), 'at_ms', NOW)
    redis.call('PEXPIRE', bucket, int(window_ms * 2))
  end
  if quota > 0 and tasks > 0 then
    used = redis.call('INCRBY', today, tasks)
    redis.call('EXPIRE', today, 172800)
  end
end
local full_ms, again_ms = 0, 0
if size > 0 then
  full_ms = math.ceil((size - held) * window_ms / size)
  again_ms = math.ceil(math.max(0, math.max(1, requests) - held) * window_ms / size)
end
return {refused, int(math.floor(held)), int(full_ms), int(again_ms), int(math.max(0, quota - used)),
  int(day_ends_ms)}
