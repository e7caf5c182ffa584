-- The workers with a heartbeat, as lists of names and values; forgets those that are gone.
local found = {}
for _, worker in ipairs(redis.call('ZRANGE', P .. 'workers', 0, -1)) do
  local entry = redis.call('HGETALL', P .. 'worker:' .. worker)
  if #entry == 0 then
    redis.call('ZREM', P .. 'workers', worker)
  else
    found[#found + 1] = {worker, entry}
  end
end
return found
