-- The workers whose heart beats, or those that fell silent, as lists of names and values; forgets those of
-- whom nothing is known any more. ARGV: 2 live or lost, 3 ms of silence after which a worker is lost
local found = {}
for _, worker in ipairs(redis.call('ZRANGE', P .. 'workers', 0, -1)) do
  local entry = redis.call('HGETALL', P .. 'worker:' .. worker)
  local silent = NOW_MS - (redis.call('ZSCORE', P .. 'workers', worker) or NOW)
  if #entry == 0 then
    redis.call('ZREM', P .. 'workers', worker)
  elseif (silent > tonumber(ARGV[3])) == (ARGV[2] == 'lost') then
    found[#found + 1] = {worker, entry}
  end
end
return found
