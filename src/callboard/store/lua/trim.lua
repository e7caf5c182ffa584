-- Drop index entries whose record has expired, and the name of a tag that no task has any more.
-- ARGV: 2 index name without prefix,
--   3 upper bound (ids older than this), 4 where to go on ('-' at first), 5 how many at most
-- Returns the id to go on after, or '' at the end, and how many were dropped.
local key = P .. ARGV[2]
local ids = redis.call('ZRANGEBYLEX', key, ARGV[4], ARGV[3], 'LIMIT', 0, ARGV[5])
local dropped = 0
for _, id in ipairs(ids) do
  if redis.call('EXISTS', task_key(id)) == 0 then
    redis.call('ZREM', key, id)
    dropped = dropped + 1
  end
end
local tag = string.match(ARGV[2], '^tag:(.*)$')
if tag and redis.call('EXISTS', key) == 0 then redis.call('ZREM', P .. 'tags', tag) end
return {#ids == tonumber(ARGV[5]) and ids[#ids] or '', dropped}
