-- A stopping worker gives back what it has not finished: its lease ends now. ARGV: 2… id, run pairs
for n = 2, #ARGV, 2 do
  local key = task_key(ARGV[n])
  local known = redis.call('HMGET', key, 'status', 'run', 'starts', 'poison')
  if known[1] == 'running' and known[2] == ARGV[n + 1] then
    redis.call('HSET', key, 'lease_ms', NOW)
    if not known[4] then redis.call('HSET', key, 'starts', int(math.max(tonumber(known[3] or 1) - 1, 0))) end
  end
end
return 'ok'
