-- The newest failed tasks of one type, by the type of their error. ARGV: 2 task type, 3 how many to look at
-- of each priority. Returns failed, looked at, then per error type: name, number, and of the one that failed
-- last: id, time, error as JSON, queue
local failed, looked_at = 0, 0
local groups, order = {}, {}
for _, priority in ipairs({'high', 'normal', 'low'}) do
  local key = index(ARGV[2], priority, 'failed')
  failed = failed + redis.call('ZCARD', key)
  for _, id in ipairs(redis.call('ZREVRANGE', key, 0, ARGV[3] - 1)) do
    local known = redis.call('HMGET', task_key(id), 'error', 'finished_at', 'queue')
    if known[2] then -- else its record has expired, and the scheduler will trim the index
      looked_at = looked_at + 1
      local name = string.match(known[1] or '', '^{"type":"([^"]*)"') or ''
      local group = groups[name]
      if not group then
        group = {name, 0, '', '0', '', ''}
        groups[name] = group
        order[#order + 1] = group
      end
      group[2] = group[2] + 1
      if tonumber(known[2]) >= tonumber(group[4]) then
        group[3], group[4], group[5], group[6] = id, known[2], known[1] or '', known[3] or ''
      end
    else
      failed = failed - 1
    end
  end
end
local answer = {failed, looked_at}
for _, group in ipairs(order) do answer[#answer + 1] = group end
return answer
