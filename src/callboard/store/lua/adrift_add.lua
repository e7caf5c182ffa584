-- Note tasks of one index whose messages may be lost. ARGV: 2 index without prefix, 3 lower bound,
--   4 how many at most. Returns the id to go on after, or '' at the end.
local ids = redis.call('ZRANGEBYLEX', P .. ARGV[2], ARGV[3], '+', 'LIMIT', 0, ARGV[4])
for _, id in ipairs(ids) do redis.call('ZADD', P .. 'adrift', 'NX', 0, id) end
return #ids == tonumber(ARGV[4]) and ids[#ids] or ''
