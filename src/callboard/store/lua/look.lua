-- The oldest tasks of an index as they stand, for the doctor; changes nothing. ARGV: 2 index without
-- prefix, 3 how many at most. Returns how many the index holds, then id, status or '', lease's end in ms or
-- '', time of the newest event in ms or ''
local key = P .. ARGV[2]
local answer = {redis.call('ZCARD', key)}
for _, id in ipairs(redis.call('ZRANGE', key, 0, ARGV[3] - 1)) do
  local known = redis.call('HMGET', task_key(id), 'status', 'lease_ms', 'version')
  local event = known[3] and redis.call('HGET', task_key(id), 'e:' .. known[3]) or ''
  answer[#answer + 1] = {id, known[1] or '', known[2] or '', string.match(event or '', '|(%d+)|') or ''}
end
return answer
