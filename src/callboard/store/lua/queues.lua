-- What is known of queues from the records. ARGV: 2… queue, number of types, types…
-- Returns per queue: name, then waiting by priority (high, normal, low), scheduled, retrying,
-- running, failed, the oldest queued id or '', since when a task has waited (ms) or '', since when the
-- queue is paused (ms) or ''
local LOOK = 5 -- a delayed or repeated task is older than its wait: the oldest few of each index are asked
local answer, at = {}, 2
local function take() at = at + 1; return ARGV[at - 1] end
local function since(id)
  local version = redis.call('HGET', task_key(id), 'version')
  local event = version and redis.call('HGET', task_key(id), 'e:' .. version)
  return event and tonumber(string.match(event, '|(%d+)|'))
end
while at <= #ARGV do
  local row, oldest, waits = {take(), 0, 0, 0, 0, 0, 0, 0}, '', nil
  for _ = 1, tonumber(take()) do
    local task_type = take()
    for place, priority in ipairs({'high', 'normal', 'low'}) do
      local waiting = index(task_type, priority, 'queued')
      row[1 + place] = row[1 + place] + redis.call('ZCARD', waiting)
      for n, id in ipairs(redis.call('ZRANGE', waiting, 0, LOOK - 1)) do
        if n == 1 and (oldest == '' or id < oldest) then oldest = id end
        local began = since(id)
        if began and (not waits or began < waits) then waits = began end
      end
      for n, status in ipairs({'scheduled', 'retrying', 'running', 'failed'}) do
        row[4 + n] = row[4 + n] + redis.call('ZCARD', index(task_type, priority, status))
      end
    end
  end
  row[9] = oldest
  row[10] = waits and int(waits) or ''
  row[11] = redis.call('HGET', P .. 'paused', row[1]) or ''
  answer[#answer + 1] = row
end
return answer
