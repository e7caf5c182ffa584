-- Take requests out of a key's bucket, which fills evenly, and tasks out of its day. Requests are taken one
-- by one as far as they go; of the tasks that are asked for, each number is taken whole or not at all.
-- Repeated after a lost answer, a request counts twice: that is a little too strict, and never too lax.
-- ARGV: 2 key's id, 3 size of the bucket (0: no rate), 4 ms in which it fills, 5 requests,
--       6 tasks of a day (0: no quota), 7… numbers of tasks
-- Returns: requests taken, requests left, ms until the bucket is full, ms until one request more is there,
--       tasks left, ms until the day ends, then 1 (taken) or 0 for each number of tasks
local size, window_ms, requests = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local quota = tonumber(ARGV[6])
local day = math.floor(NOW_MS / 86400000)

local held, taken, full_ms, again_ms = 0, requests, 0, 0
if size > 0 then
  local bucket = P .. 'limit:' .. ARGV[2]
  local known = redis.call('HMGET', bucket, 'held', 'at_ms')
  held = size
  if known[1] then
    held = math.min(size, tonumber(known[1]) + math.max(0, NOW_MS - tonumber(known[2])) * size / window_ms)
  end
  taken = math.min(requests, math.floor(held))
  if taken > 0 then
    held = held - taken
    redis.call('HSET', bucket, 'held', string.format('%.6f', held), 'at_ms', NOW)
    redis.call('PEXPIRE', bucket, int(window_ms * 2))
  end
  full_ms = math.ceil((size - held) * window_ms / size)
  again_ms = math.ceil(math.max(0, 1 - held) * window_ms / size)
end

local left, numbers = 0, {}
if quota > 0 then
  local today = P .. 'quota:' .. ARGV[2] .. ':' .. int(day)
  local before = quota - tonumber(redis.call('GET', today) or 0)
  left = before
  for n = 7, #ARGV do
    local fits = tonumber(ARGV[n]) <= left
    numbers[n - 6] = fits and 1 or 0
    if fits then left = left - ARGV[n] end
  end
  if left < before then
    redis.call('INCRBY', today, int(before - left))
    redis.call('EXPIRE', today, 172800)
  end
end
return {int(taken), int(math.floor(held)), int(full_ms), int(again_ms), int(math.max(0, left)),
  int((day + 1) * 86400000 - NOW_MS), unpack(numbers)}
