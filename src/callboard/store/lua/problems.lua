-- When problems were first seen, by whichever process. ARGV: 2 ms without being seen after which one is a
-- new one, 3… ids. Returns per id: first seen (ms), 1 if that is now
local key, gap = P .. 'problems', tonumber(ARGV[2])
local answer, known = {}, {}
for n = 3, #ARGV do
  local id = ARGV[n]
  known[id] = true
  local first, last = string.match(redis.call('HGET', key, id) or '', '^(%d+) (%d+)$')
  local new = not first or NOW_MS - last > gap
  if new then first = NOW end
  redis.call('HSET', key, id, first .. ' ' .. NOW)
  answer[#answer + 1] = first
  answer[#answer + 1] = new and 1 or 0
end
for _, id in ipairs(redis.call('HKEYS', key)) do
  local last = not known[id] and string.match(redis.call('HGET', key, id), ' (%d+)$')
  if last and NOW_MS - last > gap then redis.call('HDEL', key, id) end
end
redis.call('EXPIRE', key, 3600)
return answer
