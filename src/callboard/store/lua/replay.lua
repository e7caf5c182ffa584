-- A page of a task's kept events and log lines. ARGV: 2 id, 3 version after which, 4 most of each
-- Returns status or '', version, {number, event} pairs, log lines; all of each in order
local key = task_key(ARGV[2])
local known = redis.call('HMGET', key, 'status', 'version')
if not known[1] or TOMBSTONES[known[1]] then return {'', 0, {}, {}} end
local version, after, most = tonumber(known[2] or 0), tonumber(ARGV[3]), tonumber(ARGV[4])
local first = math.max(after, version - EVENTS_KEPT) + 1
local names, kept = {}, {}
for number = first, math.min(version, first + most - 1) do names[#names + 1] = 'e:' .. int(number) end
if #names > 0 then
  for n, value in ipairs(redis.call('HMGET', key, unpack(names))) do
    if value then kept[#kept + 1] = {int(first + n - 1), value} end
  end
end
local lines, log = {}, key .. ':log'
if version > after then
  local low, high = 0, redis.call('LLEN', log)
  while low < high do -- the place of the first line after that version
    local middle = math.floor((low + high) / 2)
    local line = redis.call('LINDEX', log, middle)
    if tonumber(string.match(line, '^{"version":(%d+)')) > after then high = middle else low = middle + 1 end
  end
  lines = redis.call('LRANGE', log, low, low + most - 1)
end
return {known[1], int(version), kept, lines}
