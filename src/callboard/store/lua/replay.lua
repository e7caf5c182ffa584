-- The kept events and log lines of a task. ARGV: 2 id, 3 version after which
-- Returns status or '', version, {number, event} pairs, log lines
local key = task_key(ARGV[2])
local known = redis.call('HMGET', key, 'status', 'version')
if not known[1] or TOMBSTONES[known[1]] then return {'', 0, {}, {}} end
local version, after = tonumber(known[2] or 0), tonumber(ARGV[3])
local first = math.max(after, version - EVENTS_KEPT) + 1
local names, kept = {}, {}
for number = first, version do names[#names + 1] = 'e:' .. int(number) end
if #names > 0 then
  for n, value in ipairs(redis.call('HMGET', key, unpack(names))) do
    if value then kept[#kept + 1] = {int(first + n - 1), value} end
  end
end
local lines = {}
if version > after then lines = redis.call('LRANGE', key .. ':log', 0, -1) end
return {known[1], int(version), kept, lines}
