-- How many tasks are in which state. ARGV: 2… states. Returns type, state, number triples.
local counts = {}
for _, task_type in ipairs(redis.call('SMEMBERS', P .. 'types')) do
  for n = 2, #ARGV do
    local number = 0
    for _, priority in ipairs({'high', 'normal', 'low'}) do
      number = number + redis.call('ZCARD', index(task_type, priority, ARGV[n]))
    end
    counts[#counts + 1] = {task_type, ARGV[n], number}
  end
end
return counts
