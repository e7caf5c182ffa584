-- What the whole installation looks like, for metrics: only sizes and first entries, so that a million
-- records cost what a hundred do. ARGV: 2… states
-- Returns now in ms, outbox entries, oldest of them in ms or 0, then a list of rows:
-- type, priority, number in each state, the oldest queued id or ''
local rows = {}
for _, task_type in ipairs(redis.call('SMEMBERS', P .. 'types')) do
  for _, priority in ipairs({'high', 'normal', 'low'}) do
    local row = {task_type, priority}
    for n = 2, #ARGV do row[n + 1] = redis.call('ZCARD', index(task_type, priority, ARGV[n])) end
    row[#row + 1] = redis.call('ZRANGE', index(task_type, priority, 'queued'), 0, 0)[1] or ''
    rows[#rows + 1] = row
  end
end
local first = redis.call('ZRANGE', P .. 'outbox', 0, 0, 'WITHSCORES')
return {NOW, redis.call('ZCARD', P .. 'outbox'), first[2] or '0', rows}
