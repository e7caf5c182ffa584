-- Take a minute's work. ARGV: 2 key, 3 token of the taker, 4 life in s. Returns 1 to the taker, also
-- when it asks again because its connection broke; 0 to everybody else.
if redis.call('SET', ARGV[2], ARGV[3], 'NX', 'EX', ARGV[4]) then return 1 end
return redis.call('GET', ARGV[2]) == ARGV[3] and 1 or 0
