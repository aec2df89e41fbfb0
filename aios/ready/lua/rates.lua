-- Requests and tokens per window (a minute): what was granted in the last one, each reservation a lease that ends by itself.
-- window:<key> holds reservations by the time of their grant, amounts:<key> their tokens and, as 'sum', all of them.
local rated = call('EXISTS', P .. 'rates') == 1

local function rate_of(key)
    local text = rated and call('HGET', P .. 'rates', key)
    return text and cjson.decode(text)
end

local function unspend(key, member)
    local tokens = call('HGET', P .. 'amounts:' .. key, member)
    if tokens then
        call('HDEL', P .. 'amounts:' .. key, member)
        call('HINCRBY', P .. 'amounts:' .. key, 'sum', exact(0 - tokens))
    end
    call('ZREM', P .. 'window:' .. key, member)
end

-- When a key may grant this many tokens: nil for now, else the time at which to look again.
local function due_of(key, rate, tokens)
    local window, span = P .. 'window:' .. key, rate.seconds * 1000
    for _, member in ipairs(call('ZRANGEBYSCORE', window, '-inf', '(' .. exact(now_ms - span))) do unspend(key, member) end
    local oldest = call('ZRANGE', window, 0, 0, 'WITHSCORES')
    if not oldest[1] then return nil end
    local full = rate.requests and call('ZCARD', window) >= rate.requests
    if not full and rate.tokens then
        local spent = tonumber(call('HGET', P .. 'amounts:' .. key, 'sum') or '0')
        full = spent + math.min(tokens, rate.tokens) > rate.tokens
    end
    return full and oldest[2] + span + 1 or nil
end

local function spend(key, member, tokens, at_ms)
    if rate_of(key) then
        call('ZADD', P .. 'window:' .. key, at_ms, member)
        call('HSET', P .. 'amounts:' .. key, member, tokens)
        call('HINCRBY', P .. 'amounts:' .. key, 'sum', tokens)
    end
end

-- What was really used takes the place of what was reserved; more than that is a debt, which lasts as long as the rest.
local function correct(key, member, tokens)
    local reserved = rated and call('HGET', P .. 'amounts:' .. key, member)
    if reserved then
        call('HSET', P .. 'amounts:' .. key, member, tokens)
        call('HINCRBY', P .. 'amounts:' .. key, 'sum', exact(tokens - reserved))
        if tokens < tonumber(reserved) then call('ZREM', P .. 'due', key) end
    end
end
