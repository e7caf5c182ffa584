-- How many tasks were made between two times, by type. ARGV: 2 lowest id, 3 id above the highest, 4… types
local answer = {}
for n = 4, #ARGV do
  local number = 0
  for _, priority in ipairs({'high', 'normal', 'low'}) do
    for _, status in ipairs({'scheduled', 'queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled'}) do
      number = number + redis.call('ZLEXCOUNT', index(ARGV[n], priority, status), '[' .. ARGV[2], '(' .. ARGV[3])
    end
  end
  answer[#answer + 1] = number
end
return answer
