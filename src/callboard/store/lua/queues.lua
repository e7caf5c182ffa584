-- What is known of queues from the records. ARGV: 2… queue, number of types, types…
-- Returns per queue: name, then waiting by priority (high, normal, low), scheduled, retrying,
-- running, failed, and the oldest queued id or ''
local answer, at = {}, 2
local function take() at = at + 1; return ARGV[at - 1] end
while at <= #ARGV do
  local row, oldest = {take(), 0, 0, 0, 0, 0, 0, 0}, ''
  for _ = 1, tonumber(take()) do
    local task_type = take()
    for place, priority in ipairs({'high', 'normal', 'low'}) do
      local waiting = index(task_type, priority, 'queued')
      row[1 + place] = row[1 + place] + redis.call('ZCARD', waiting)
      local first = redis.call('ZRANGE', waiting, 0, 0)[1]
      if first and (oldest == '' or first < oldest) then oldest = first end
      for n, status in ipairs({'scheduled', 'retrying', 'running', 'failed'}) do
        row[4 + n] = row[4 + n] + redis.call('ZCARD', index(task_type, priority, status))
      end
    end
  end
  row[9] = oldest
  answer[#answer + 1] = row
end
return answer
