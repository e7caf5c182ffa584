-- What schedulers say of themselves. ARGV: 2 beat, 3 scheduler, 4 ms a silent one stays listed
--   | 2 ticked | 2 gone, 3 scheduler | 2 seen: returns now, last tick or '', then scheduler, last beat …
local key, tick = P .. 'schedulers', P .. 'scheduler_tick'
if ARGV[2] == 'beat' then
  redis.call('ZADD', key, NOW, ARGV[3])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(NOW_MS - ARGV[4]))
elseif ARGV[2] == 'ticked' then
  redis.call('SET', tick, NOW)
elseif ARGV[2] == 'gone' then
  redis.call('ZREM', key, ARGV[3])
else
  return {NOW, redis.call('GET', tick) or '', unpack(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'))}
end
return 'ok'
